// What Istio's own text means to us: hosts, ranges, annotations, injection, mesh configuration. In one process, since each test file costs a second of its own.
import './istio-capture.part.ts'
import './istio-cidr.part.ts'
import './istio-gateways.part.ts'
import './istio-host.part.ts'
import './istio-injected.part.ts'
import './istio-injection.part.ts'
import './istio-mesh.part.ts'
import './istio-name.part.ts'
