import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Options for a test that a real tool judges: skipped, with the reason, where the tool is missing.
 * With REQUIRE_ORACLES=1 a missing tool is a failure.
 */
export function oracle(...commands: string[]): { skip?: string } {
  const missing = commands.filter(command => spawnSync('which', [command]).status !== 0)
  if (missing.length === 0) return {}
  const reason = `${missing.join(', ')} is not installed`
  if (process.env.REQUIRE_ORACLES === '1') throw new Error(`REQUIRE_ORACLES=1, but ${reason}`)
  return { skip: reason }
}

/** The user nobody. */
const NOBODY = 65534

/** Options for a test that root runs as nobody: skipped where the project lies out of nobody's reach. */
export function reachedByNobody(): { skip?: string } {
  if (process.geteuid?.() !== 0) return {}
  const [uid, gid] = [NOBODY, NOBODY]
  if (spawnSync(process.execPath, [fileURLToPath(import.meta.url)], { uid, gid }).status === 0) return {}
  return { skip: 'the user nobody may not read the project, or not run Node' }
}
