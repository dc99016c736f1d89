// What keeps in touch with a cluster, apart from its sockets. In one process, since each test file costs a second of its own.
import './kube-authority.part.ts'
import './kube-budget.part.ts'
import './kube-lease.part.ts'
import './kube-policy.part.ts'
import './kube-registration.part.ts'
import './kube-state.part.ts'
