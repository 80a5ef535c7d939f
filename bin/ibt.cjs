#!/usr/bin/env node
// A signal that comes while modules are loaded waits for them: nothing has begun yet.
const early = []
let onSignal = name => early.push(name)
for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.on(name, () => onSignal(name))
const listen = listener => {
  onSignal = listener
  for (const name of early) listener(name)
}
// libuv's pool is sized at its first use: an ES module would come too late for that.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, require('node:os').availableParallelism() + 2))
// Contents pass in buffers outside V8's heap. V8 would mark the small heap again and again, every few buffers, hoping to
// free them: a third of the processor time of a restore. Without the steps ahead it marks when its limit is reached.
if (process.versions.bun === undefined) require('node:v8').setFlagsFromString('--no-incremental-marking')
// Node 20 compiles so early that a run of seconds ends before it has paid; later ones do not know the flag.
if (process.versions.v8?.startsWith('11.')) require('node:v8').setFlagsFromString('--interrupt-budget=2000000')
// The commands of rdiff need little: they have a file of their own.
const isRdiff = ['signature', 'delta', 'patch', 'compose'].includes(process.argv[2])
import(isRdiff ? '../dist/src/ibt/rdiff.js' : '../dist/src/ibt/main.js').then(({ main }) =>
  main(process.argv.slice(2), listen)
)
