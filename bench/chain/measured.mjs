// One run of a whole process: its time, its memory, and what its unnamed files take.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'

const POLL_MS = 20

/** Runs a command in a directory; throws if it fails. */
export async function measured(command, cwd) {
  const child = spawn('/usr/bin/time', ['-f', '%e %U %S %M', ...command], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', text => {
    stderr += text
  })
  let unnamed = 0
  const poll = setInterval(() => {
    for (const pid of childrenOf(child.pid)) unnamed = Math.max(unnamed, unnamedBytes(pid))
  }, POLL_MS)
  const [status] = await once(child, 'close')
  clearInterval(poll)
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`)
  const [wall, user, system, kilobytes] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { wall, processor: user + system, mebibytes: kilobytes / 1024, spooled: unnamed / 2 ** 20 }
}

function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  } catch {
    return []
  }
}

/** Bytes on disk of the files without a name that a process has open. */
function unnamedBytes(pid) {
  let bytes = 0
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const path = `/proc/${pid}/fd/${fd}`
      if (readlinkSync(path).endsWith(' (deleted)')) bytes += statSync(path).blocks * 512
    }
  } catch {
    // It has closed one meanwhile, or has ended.
  }
  return bytes
}
