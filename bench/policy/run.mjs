// What an increment stores of data that change as people's data do. Prints bytes, beside those of the changed files.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BIN, timed } from '../timed.mjs'

const python = (code, ...args) => ['python3', ['-c', code, ...args]]
const LINES = `
import random, sys
random.seed(int(sys.argv[2]))
words = [''.join(random.choices('abcdefghijklmnop', k=random.randint(2, 9))) for _ in range(3000)]
with open(sys.argv[1], 'a') as out:
    for i in range(int(sys.argv[3])): out.write(f'2026-01-01 {i:09} ' + ' '.join(random.choices(words, k=12)) + '\\n')
`
const lines = (file, seed, count) => python(LINES, file, String(seed), String(count))
const DATABASE = `
import random, sqlite3, sys
random.seed(1)
base = sqlite3.connect('base.db')
base.execute('create table if not exists t(k integer primary key, v blob)')
if sys.argv[1] == 'new': base.executemany('insert into t values(?, ?)', ((i, random.randbytes(400)) for i in range(100000)))
else: base.executemany('update t set v = ? where k = ?', ((random.randbytes(400), random.randrange(100000)) for _ in range(500)))
base.commit()
`
const SOURCE = `
import sys
with open('main.c', 'w') as out:
    for i in range(20000): out.write(f'int f{i}(int x) {{ return x * {i} + {sys.argv[1] if i == 10000 else 1}; }}\\n')
    out.write('int main(void) { return f1(2); }\\n')
`
const shell = command => ['sh', ['-c', command]]
const compile = shell('cc -O1 -o program main.c && rm main.c')
const rotate = shell(
  'for i in 4 3 2 1; do [ ! -f app.log.$i ] || mv app.log.$i app.log.$((i + 1)); done; mv app.log app.log.1'
)

/** What makes the data, and what changes them: commands that run in their directory. */
const CASES = {
  'a log directory, rotated five times': {
    make: [lines('app.log', 1, 50_000)],
    change: [2, 3, 4, 5, 6].flatMap(seed => [rotate, lines('app.log', seed, 2000)])
  },
  'a log that grew, then rotated': {
    make: [lines('app.log', 1, 50_000)],
    change: [lines('app.log', 2, 2000), rotate, lines('app.log', 3, 100)]
  },
  'SQLite, 500 of 100,000 rows updated': { make: [python(DATABASE, 'new')], change: [python(DATABASE, 'update')] },
  'a mailbox, 4,000 lines more': { make: [lines('mbox', 1, 200_000)], change: [lines('mbox', 2, 4000)] },
  'an ELF program, one function changed': {
    make: [python(SOURCE, '1'), compile],
    change: [python(SOURCE, '2'), compile]
  },
  'a directory tree, moved': {
    make: [shell('mkdir old'), ...[1, 2, 3].map(i => lines(`old/${i}`, i, 20_000))],
    change: [shell('mv old new')]
  }
}

const bytesIn = path =>
  readdirSync(path, { recursive: true })
    .map(name => statSync(join(path, name)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0)

const base = mkdtempSync(join(tmpdir(), 'ibt-policy-'))
try {
  console.log('| data | bytes | full | increment: contents | signatures | state |\n|---|---|---|---|---|---|')
  for (const [name, { make, change }] of Object.entries(CASES)) {
    const work = join(base, name)
    const source = join(work, 'source')
    mkdirSync(source, { recursive: true })
    const run = commands => {
      for (const [command, args] of commands) execFileSync(command, args, { cwd: source })
    }
    const ibt = command =>
      timed([process.execPath, BIN, command, 'source', '--quiet', '--store', 'store', '--cache', 'cache'], work)
    const stored = kind =>
      readdirSync(join(work, 'store'))
        .filter(file => kind.test(file))
        .sort()
        .map(file => statSync(join(work, 'store', file)).size)
    run(make)
    ibt('full')
    run(change)
    ibt('incremental')
    const sum = sizes => sizes.reduce((total, size) => total + size, 0)
    const last = kind => stored(kind).slice(1)
    const cells = [
      bytesIn(source),
      sum(stored(/\.full\./)),
      sum(stored(/\.(created|updated)\./)),
      sum(last(/\.sigvault\./)),
      sum(last(/\.state\./))
    ]
    console.log(`| ${name} | ${cells.map(bytes => bytes.toLocaleString('en')).join(' | ')} |`)
  }
} finally {
  rmSync(base, { recursive: true, force: true })
}
