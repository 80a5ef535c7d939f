import { spawnSync } from 'node:child_process'

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
