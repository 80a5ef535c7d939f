// One use of the library in a process of its own. Usage: node library-job.mjs CASE JOBS FILE…
// Prints JSON: seconds of the call and of closing, CPU seconds, peak memory in MiB, and what the case measures besides.
import { createReadStream, readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { createScanner, deltaFile, loadSignature, patchFile, setJobs, signatureFile } from '../../dist/src/native.js'

const [name, jobs, ...paths] = process.argv.slice(2)
const CANCEL_AFTER_MS = 20
setJobs(Number(jobs))

const openAll = flags => Promise.all(paths.map((path, i) => open(path, flags[i])))

async function ofFiles(flags, job) {
  const files = await openAll(flags)
  return async () => {
    const found = await job(...files.map(file => file.fd))
    for (const file of files) await file.close()
    return found
  }
}

async function ofStream(path, makeScanner) {
  const scanner = await makeScanner?.()
  return async () => {
    for await (const chunk of createReadStream(path)) await scanner?.update(chunk)
    await scanner?.finish()
  }
}

const signatureAt = async path => {
  const file = await open(path)
  try {
    return await loadSignature(await file.readFile())
  } finally {
    await file.close()
  }
}

const threadsNow = () => readdirSync('/proc/self/task').length

/** Aborts a job: how long until the promise is rejected, and until all its threads are free again. */
async function cancel(job) {
  const scanner = createScanner({})
  // The pool's threads start with the first job; the others of a job that runs alone come and go with it.
  await scanner.update(Buffer.alloc(1))
  await scanner.finish()
  const threadsBefore = threadsNow()
  const controller = new AbortController()
  const running = job(controller.signal).then(
    () => 'ended',
    () => performance.now()
  )
  await new Promise(resolve => setTimeout(resolve, CANCEL_AFTER_MS))
  const start = performance.now()
  controller.abort()
  const rejected = await running
  if (rejected === 'ended') throw new Error('The job ended before it was cancelled: take a larger file')
  if (Number(jobs) === 1) await createScanner({}).finish()
  else while (threadsNow() > threadsBefore) await setImmediate()
  const freed = performance.now()
  return { rejectedMs: rejected - start, freedMs: freed - start }
}

const cases = {
  signature: () => ofFiles(['r', 'w'], signatureFile),
  delta: () => ofFiles(['r', 'r', 'w'], deltaFile),
  patch: () => ofFiles(['r', 'r', 'w'], patchFile),
  drain: () => ofStream(paths[0]),
  'stream-hash': () => ofStream(paths[0], () => createScanner({})),
  'stream-sign': () => ofStream(paths[0], () => createScanner({ sign: true })),
  'stream-delta': () => ofStream(paths[1], async () => createScanner({ basis: await signatureAt(paths[0]) })),
  'cancel-signature': () => ofFiles(['r', 'w'], (...fds) => cancel(signal => signatureFile(...fds, {}, signal))),
  'cancel-delta': () => ofFiles(['r', 'r', 'w'], (...fds) => cancel(signal => deltaFile(...fds, signal))),
  'cancel-patch': () => ofFiles(['r', 'r', 'w'], (...fds) => cancel(signal => patchFile(...fds, signal)))
}

const run = await cases[name]()
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const start = performance.now()
const before = process.cpuUsage()
const found = (await run()) ?? {}
const wall = (performance.now() - start) / 1000
const { user, system } = process.cpuUsage(before)
delay.disable()
console.log(
  JSON.stringify({
    ...found,
    wall,
    cpu: (user + system) / 1e6,
    // The histogram counts the interval of its own timer.
    stallMs: Math.max(0, delay.percentile(99) / 1e6 - 1),
    stallMaxMs: Math.max(0, delay.max / 1e6 - 1),
    rss: process.resourceUsage().maxRSS / 1024
  })
)
