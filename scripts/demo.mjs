// A full, changes, an incremental and two restores of a real tree by the command line, compared byte for byte.
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const work = fs.mkdtempSync(join(tmpdir(), 'ibt demo '))
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }))
process.on('SIGINT', () => process.exit(130))

/** A real tree that every machine has. */
function defaultTree() {
  const headers = '/usr/include'
  return fs.existsSync(headers) && fs.readdirSync(headers).length > 50 ? headers : join(root, 'node_modules')
}

function say(text = '') {
  console.log(text)
}

function ibt(...args) {
  say(`$ ibt ${args.join(' ')}`)
  const { status, signal } = spawnSync(process.execPath, [join(root, 'bin/ibt.cjs'), ...args], {
    cwd: work,
    env: { ...process.env, IBT_STORE: 'backups', IBT_CACHE: 'cache' },
    stdio: 'inherit'
  })
  if (status !== 0) throw new Error(`ibt ${args[0]} ended with ${signal ?? status}`)
  say()
}

/** Changes of every kind; returns a line for each. */
function change(tree) {
  const files = fs.readdirSync(tree, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const paths = files.map(entry => join(entry.parentPath ?? entry.path, entry.name)).sort()
  const [edited = [], appended = [], removed = [], renamed = []] = [0, 1, 2, 3].map(i =>
    paths.filter((_, n) => n % 100 === i)
  )
  for (const path of edited) {
    const bytes = fs.readFileSync(path)
    fs.writeFileSync(
      path,
      Buffer.concat([
        bytes.subarray(0, bytes.length / 2),
        Buffer.from('an insertion'),
        bytes.subarray(bytes.length / 2)
      ])
    )
  }
  for (const path of appended) fs.appendFileSync(path, 'appended\n')
  for (const path of removed) fs.rmSync(path)
  for (const path of renamed) fs.renameSync(path, `${path}.renamed`)
  fs.mkdirSync(join(tree, 'new directory'))
  for (let i = 0; i < 20; i++) fs.writeFileSync(join(tree, 'new directory', `file ${i}`), randomBytes(1000 * i))
  fs.symlinkSync('new directory', join(tree, 'a link'))
  const disk = fs.openSync(join(tree, 'disk.img'), 'r+')
  fs.writeSync(disk, 'a small edit', 12_345_678)
  fs.closeSync(disk)
  fs.chmodSync(join(tree, 'disk.img'), 0o600)
  const counts = `${edited.length} files edited, ${appended.length} appended to, ${removed.length} removed, ${renamed.length} renamed`
  return `${counts}, 20 new ones, a link, 12 bytes of a file of 32 MiB`
}

/** What differs between two trees: contents, types, modes, times, link targets. */
function differences(a, b, path = '.', found = []) {
  const [x, y] = [a, b].map(tree => fs.lstatSync(join(tree, path), { bigint: true, throwIfNoEntry: false }))
  if (x === undefined || y === undefined) found.push(`${path} is only in ${x ? basename(a) : basename(b)}`)
  else if (x.mode !== y.mode) found.push(`${path}: mode`)
  else if (x.mtimeNs !== y.mtimeNs) found.push(`${path}: time`)
  else if (x.isSymbolicLink() && fs.readlinkSync(join(a, path)) !== fs.readlinkSync(join(b, path)))
    found.push(`${path}: target`)
  else if (x.isFile() && !fs.readFileSync(join(a, path)).equals(fs.readFileSync(join(b, path))))
    found.push(`${path}: content`)
  else if (x.isDirectory()) {
    const names = new Set([a, b].flatMap(tree => fs.readdirSync(join(tree, path))))
    for (const name of names) differences(a, b, join(path, name), found)
  }
  return found
}

function compare(tree, restored) {
  const found = differences(join(work, tree), join(work, restored))
  if (found.length > 0) throw new Error(`${restored} differs from ${tree}:\n  ${found.slice(0, 20).join('\n  ')}`)
  say(`${restored} is ${tree}, byte for byte, with modes and times.\n`)
}

try {
  const source = resolve(process.argv[2] ?? defaultTree())
  if (!fs.statSync(source, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${source} is no directory`)
  say(`A copy of ${source}, and a file of 32 MiB, in a temporary directory:\n`)
  const copy = (from, to) => execFileSync('cp', ['-a', from, join(work, to)])
  copy(source, 'tree')
  fs.writeFileSync(join(work, 'tree', 'disk.img'), randomBytes(32 << 20))

  ibt('full', 'tree')
  copy(join(work, 'tree'), 'tree as it was')
  say(`Changes: ${change(join(work, 'tree'))}.\n`)
  ibt('incremental', 'tree')
  ibt('list')
  const [{ date }] = fs
    .readdirSync(join(work, 'backups'))
    .filter(name => name.includes('.full.'))
    .map(name => ({ date: name.split('.').slice(2, 4).join('.') }))
  ibt('restore', 'tree', 'restored')
  compare('tree', 'restored')
  ibt('restore', 'tree', 'restored-full', '--at', date)
  compare('tree as it was', 'restored-full')
  ibt('verify', 'tree', '--read-data')
  say('The archives are plain: zstd -dc backups/*.full.*.tar.zst | tar -tv lists them.')
} catch (error) {
  console.error(`demo: ${error.message}`)
  process.exitCode = 1
}
