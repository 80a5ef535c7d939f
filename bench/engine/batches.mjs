// Hashes and signs files in batches. Usage: node batches.mjs DIRECTORY COUNT JOBS; files are named 0, 1, and so on.
// Prints the seconds, the seconds of CPU and the bytes of the signatures.
import { readFiles, setJobs } from '../../dist/src/native.js'

const [directory, count, jobs] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const BATCH_FILES = 256
const SLAB_BYTES = 4 << 20
/** As librsync does it: every file, its block length, whole sums. */
const options = { signMinBytes: 0, blockLenMin: 0, strongLen: 0, racyMs: 0 }
const root = Buffer.from(directory)
setJobs(jobs)

let next = 0
let signatureBytes = 0
async function work() {
  const slab = Buffer.alloc(SLAB_BYTES)
  while (next < count) {
    const first = next
    next = Math.min(count, first + BATCH_FILES)
    const names = Array.from({ length: next - first }, (_, i) => `${first + i}\0`).join('')
    const batch = await readFiles(root, Buffer.from(names), next - first, slab, options)
    signatureBytes += batch.signatures.length
  }
}

const start = performance.now()
const before = process.cpuUsage()
// As the stages do: one batch waits while the others are worked on.
await Promise.all(Array.from({ length: jobs + 1 }, work))
const { user, system } = process.cpuUsage(before)
console.log(`${(performance.now() - start) / 1000} ${(user + system) / 1e6} ${signatureBytes}`)
