// What is timed: for each tool what comes before every run (not timed), and its command.
import { spawnSync } from 'node:child_process'
import { BIN } from '../timed.mjs'

const PLACES = ['--quiet', '--store', 'ours', '--cache', 'cache']
const ibt = (...args) => [process.execPath, BIN, ...args, ...PLACES]
const write = (command, source) => ibt(command, source, '--key', 'tree')
const shell = command => ['sh', '-c', command]
const restic = (...args) => ['restic', '-q', '-r', 'restic', '--cache-dir', 'restic-cache', ...args]
const borg = source => ['borg', 'create', '--compression', 'lz4', 'borg::{now:%f}', source]
const duplicity = (kind, source) =>
  ['duplicity', kind, '--no-encryption', '--allow-source-mismatch', '--archive-dir', 'duplicity-cache', source].concat(
    'file://duplicity'
  )
const quote = command => command.map(word => `'${word}'`).join(' ')

const NEW_RESTIC = 'rm -rf restic restic-cache; restic -q -r restic init'
const NEW_BORG = 'rm -rf borg; borg init -e none borg'
const NEW_DUPLICITY = 'rm -rf duplicity duplicity-cache; mkdir duplicity'
/** ext4 looks long for inodes that were freed just now: what was restored is removed when all is measured. */
const ASIDE = 'if [ -d out ]; then mkdir -p aside; mv out aside/$$; fi'

/** `sync -d` stands in for the fsync of ours. `slow` ones run once. */
export function makeCases(older, newer, largeMiB) {
  const large = `mkdir -p large; for f in a b; do [ -f large/$f ] || head -c ${largeMiB}M /dev/urandom > large/$f; done`
  const cases = [
    {
      name: 'full',
      tools: {
        ibt: { before: 'rm -rf ours cache', run: write('full', older), stored: 'ours' },
        'tar --zstd': {
          before: 'rm -f tar.zst',
          run: shell(`tar --zstd -C '${older}' -cf tar.zst . && sync -d tar.zst`),
          stored: 'tar.zst'
        },
        restic: { before: NEW_RESTIC, run: restic('backup', older), stored: 'restic' },
        borg: { before: NEW_BORG, run: borg(older), stored: 'borg', slow: true },
        duplicity: { before: NEW_DUPLICITY, run: duplicity('full', older), stored: 'duplicity', slow: true }
      }
    },
    {
      name: 'no change',
      tools: {
        ibt: { run: write('incremental', older) },
        'find -printf': { run: shell(`find '${older}' -printf '%p %s %T@ %C@ %i\\n' > /dev/null`) },
        'rsync -a': {
          before: `[ -d mirror ] || cp -a '${older}' mirror`,
          run: ['rsync', '-a', '--delete', `${older}/`, 'mirror/']
        },
        restic: { run: restic('backup', older) }
      }
    },
    {
      name: 'incremental',
      tools: {
        ibt: {
          before: `rm -rf ours cache; ${quote(write('full', older))}`,
          run: [...write('incremental', newer), '--allow-source-mismatch'],
          stored: 'ours',
          base: true
        },
        restic: {
          before: `${NEW_RESTIC}; ${quote(restic('backup', older))}`,
          run: restic('backup', newer),
          stored: 'restic',
          base: true
        },
        borg: { run: borg(newer), stored: 'borg', base: true, slow: true },
        duplicity: { run: duplicity('incremental', newer), stored: 'duplicity', base: true, slow: true }
      }
    },
    {
      name: 'restore',
      tools: {
        ibt: { before: ASIDE, run: ibt('restore', 'tree', 'out') },
        'tar -xf': {
          before: `${ASIDE}; mkdir out; [ -f new.tar ] || tar -C '${newer}' -cf new.tar .`,
          run: ['tar', '-C', 'out', '-xf', 'new.tar']
        },
        restic: { before: ASIDE, run: restic('restore', 'latest', '--target', 'out') }
      }
    },
    {
      name: `2 × ${largeMiB} MiB of random bytes`,
      tools: {
        ibt: { before: `${large}; rm -rf ours cache`, run: write('full', 'large'), stored: 'ours' },
        cp: { before: 'rm -rf copy', run: shell('cp -r large copy && sync -d copy/a copy/b') }
      }
    }
  ]
  return cases.map(({ name, tools }) => ({ name, tools: Object.fromEntries(Object.entries(tools).filter(isThere)) }))
}

function isThere([tool]) {
  const command = tool.split(' ')[0]
  return command === 'ibt' || spawnSync('which', [command]).status === 0
}
