#!/usr/bin/env node
// No syntax that an old Node lacks: it has to run there, and say that it is too old.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(`sallyport needs Node 24 or newer, this is ${process.version}`)
  process.exitCode = 2
} else {
  await import('../dist/sallyport.js')
}
