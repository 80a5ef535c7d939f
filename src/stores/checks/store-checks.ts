import type { Checks } from './checks.js'
import { MANY_CHECKS, NAME_CHECKS } from './names.js'
import { OPTIONAL_CALL_CHECKS } from './optional-calls.js'
import { READ_CHECKS } from './reads.js'
import { WRITE_CHECKS } from './writes.js'

/** All that a store promises. `many`: also with more names than S3 lists at a time. */
export function storeChecks({ many }: { readonly many: boolean }): Checks {
  return {
    ...NAME_CHECKS,
    ...READ_CHECKS,
    ...WRITE_CHECKS,
    ...OPTIONAL_CALL_CHECKS,
    ...(many && MANY_CHECKS)
  }
}
