import { readFileSync } from 'node:fs'
import { packageRoot } from '../../native/load-addon.js'

/** The version of this package. */
export function toolVersion(): string {
  return JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')).version
}
