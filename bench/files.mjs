// Trees of generated files, for benches that ask how a figure grows.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files of 0 to 2 KiB, 32 in a directory, two levels deep. */
export function makeFiles(root, count) {
  for (let i = 0; i < count; i++) {
    const directory = join(root, String(i >> 11), String((i >> 5) & 63))
    if (i % 32 === 0) mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `file-${i}`), `${i} `.repeat((i * 7919) % 300))
  }
}
