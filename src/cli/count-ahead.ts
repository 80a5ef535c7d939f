import { resolve } from 'node:path'
import { anchorPatterns, relativeNames } from '../pipelines/anchor.js'
import { createRules, type RulesOptions } from '../rules.js'
import { filter } from '../stages/filter.js'
import { walk } from '../stages/walk.js'

/** Bytes of the files that a first full will read, by a walk of its own. No content is opened. */
export async function countBytes(source: string, options: RulesOptions, signal: AbortSignal): Promise<number> {
  const root = resolve(source)
  const { exclude = [], files } = options
  const rules = createRules({
    ...options,
    exclude: await anchorPatterns(exclude, root),
    files: files && (await relativeNames(files, root))
  })
  let bytes = 0
  for await (const { type, sizeBytes = 0 } of filter(rules)(walk(root, rules, { signal }))) {
    signal.throwIfAborted()
    if (type === 'file') bytes += sizeBytes
  }
  return bytes
}
