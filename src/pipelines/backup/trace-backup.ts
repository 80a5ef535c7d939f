import { traceRun } from '../../flow/tracing.js'
import { nameSource } from '../backup-run.js'
import type { OpenRunOptions } from './open-run.js'

/** Tells of a run that makes a backup. */
export function traceBackup<T>(
  source: string | Uint8Array,
  { kind = 'auto', key }: Pick<OpenRunOptions, 'kind' | 'key'>,
  work: () => Promise<T>
): Promise<T> {
  return traceRun({ operation: kind === 'auto' ? 'backup' : kind, key: keyOf(source, key) }, work)
}

/** The key, also of a run that will be refused for it. */
function keyOf(source: string | Uint8Array, key: string | undefined): string | undefined {
  try {
    return nameSource(source, { key }).key
  } catch {
    return key
  }
}
