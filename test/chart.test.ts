// The chart, and what the API server is told to ask. In one process, since each test file costs a second of its own.
import './chart.part.ts'
import './webhooks.part.ts'
