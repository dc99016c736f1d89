// How large a judgement may grow, what becomes of it in each mode, and how it is told. In one process, since each test file costs a second of its own.
import './bounds.part.ts'
import './mode.part.ts'
import './privileges.part.ts'
import './report.part.ts'
