// All benches, one after the other; `--quick`: small ones, to see that all work and about what to expect.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
for (const bench of ['tree', 'scale', 'engine']) {
  console.log(`\n## bench/${bench}\n`)
  const { status } = spawnSync(process.execPath, [join(here, bench, 'run.mjs'), ...process.argv.slice(2)], {
    stdio: 'inherit'
  })
  if (status !== 0) process.exit(status ?? 1)
}
