// What is true of the project as a whole. In one process, since each test file costs a second of its own.
import './coverage.part.ts'
import './floors.part.ts'
import './generated.part.ts'
