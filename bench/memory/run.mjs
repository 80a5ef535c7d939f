// Peak memory of whole processes on generated trees. One run each: memory does not vary as time does.
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeFiles } from '../files.mjs'
import { BIN, timed } from '../timed.mjs'

const GIB = 1024 ** 3
const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: 'small,many,sparse,wide,chain' },
    files: { type: 'string', default: '300000' },
    json: { type: 'boolean', default: false },
    work: { type: 'string', default: tmpdir() }
  }
})
const many = Number(values.files)

/** Each makes a source; `edit` changes it between the runs of a chain. */
const cases = {
  small: { what: '10,000 files of 0–2 KiB', make: root => makeFiles(root, 10_000) },
  many: { what: `${many.toLocaleString('en')} files of 0–2 KiB`, make: root => makeFiles(root, many) },
  sparse: { what: 'a sparse file of 8 GiB', make: makeSparse },
  wide: { what: 'a directory of 200,000 files', make: makeWide },
  chain: { what: 'a full and 200 increments', make: root => makeFiles(root, 300), edit: editSome, increments: 200 }
}

function makeSparse(root) {
  const fd = openSync(join(root, 'sparse'), 'w')
  for (let at = 0; at < 8 * GIB; at += GIB / 4) writeSync(fd, `data at ${at}`, at + 12_345)
  ftruncateSync(fd, 8 * GIB)
  closeSync(fd)
}

function makeWide(root) {
  for (let i = 0; i < 200_000; i++) writeFileSync(join(root, `file-${i}`), String(i))
}

function editSome(root, step) {
  for (let i = 0; i < 300; i += 7) appendFileSync(join(root, '0', '0', `file-${i % 32}`), `${step} ${i}`.repeat(50))
  writeFileSync(
    join(root, '0', '0', 'large'),
    Buffer.alloc(100_000, 'large').fill(String(step), step * 100, step * 100 + 50)
  )
}

function peak(work, args) {
  const { seconds, mebibytes } = timed(
    [process.execPath, BIN, ...args, '--quiet', '--store', 'store', '--cache', 'cache'],
    work
  )
  return { seconds, mebibytes: Math.round(mebibytes) }
}

function measure(name) {
  const { what, make, edit, increments = 1 } = cases[name]
  const work = mkdtempSync(join(values.work, 'ibt-memory-'))
  try {
    const source = join(work, 'source')
    mkdirSync(source)
    make(source)
    const runs = { full: peak(work, ['full', source]), incremental: { seconds: 0, mebibytes: 0 } }
    for (let step = 1; step <= increments; step++) {
      edit?.(source, step)
      const run = peak(work, ['incremental', source])
      if (run.mebibytes > runs.incremental.mebibytes) runs.incremental = run
    }
    runs.restore = peak(work, ['restore', 'source', 'out'])
    return { case: name, what, ...runs }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const rows = values.cases.split(',').map(measure)
if (values.json) console.log(JSON.stringify({ node: process.version, rows }))
else {
  console.log('| source | full | incremental | restore |\n|---|---|---|---|')
  const shown = ({ mebibytes, seconds }) => `${mebibytes} MiB (${seconds.toFixed(1)} s)`
  for (const { what, full, incremental, restore } of rows)
    console.log(`| ${what} | ${shown(full)} | ${shown(incremental)} | ${shown(restore)} |`)
}
