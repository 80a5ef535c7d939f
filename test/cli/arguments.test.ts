import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { typedArguments } from '../../src/cli/arguments.js'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'

const onLinux = process.platform === 'linux' ? {} : { skip: 'only Linux has names that are not UTF-8, and /proc' }

/** A directory `src\xff` with a file `a\xfe`. */
function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  const source = Buffer.from(`${desk.path}/src\xff`, 'latin1')
  mkdirSync(source)
  writeFileSync(Buffer.concat([source, Buffer.from('/a\xfe', 'latin1')]), 'content')
  writeFileSync(Buffer.concat([source, Buffer.from('/other')]), 'x')
  return desk
}

/** A shell hands bytes on as they are. */
function inShell(desk: Desk, line: string) {
  const script = `ibt() { '${process.execPath}' '${BIN}' "$@"; }; ${line}`
  return spawnSync('bash', ['-ec', script], { cwd: desk.path, env: desk.env, encoding: 'utf8' })
}

const bytesIn = (path: string | Buffer) =>
  readdirSync(path, { encoding: 'buffer' }).map(name => name.toString('latin1'))

test('source, destination and paths are of any bytes', { ...oracle('bash'), ...onLinux }, t => {
  const desk = makeDesk(t)
  const { status, stderr } = inShell(
    desk,
    String.raw`
    ibt backup $'src\xff'; ibt backup $'src\xff' --exclude $'a\xfe' --key less --files-from $'src\xff/other' || test $? = 3
    ibt restore src%FF $'out\xfe/\xfd' --path $'a\xfe'; ibt restore src%FF $'out\xfe/\xfd' --overwrite if-changed
    ibt signature $'src\xff/a\xfe' $'sig\xff'; ibt delta $'sig\xff' $'src\xff/other' $'delta\xff'
    ibt patch $'src\xff/a\xfe' $'delta\xff' $'new\xff'; ibt compose $'delta\xff' $'composed\xff'`
  )
  assert.equal(status, 0, stderr)
  assert.deepEqual(bytesIn(Buffer.from(`${desk.path}/out\xfe/\xfd`, 'latin1')), ['a\xfe', 'other'])
  assert.deepEqual(bytesIn(desk.path), [
    ...['cache', 'composed\xff', 'delta\xff', 'new\xff', 'out\xfe', 'sig\xff', 'src\xff', 'store']
  ])
  assert.equal(readFileSync(Buffer.from(`${desk.path}/new\xff`, 'latin1'), 'utf8'), 'x')
})

test('a store in a source of any bytes is left out', { ...oracle('bash'), ...onLinux }, t => {
  const desk = makeDesk(t)
  const line = String.raw`mkdir $'src\xff/store'; ln -s $'src\xff/store' here; ibt full $'src\xff' --store here`
  const { status, stderr } = inShell(desk, line)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /Excluded store/)
})

test('a working directory of other bytes, which Node does not know, is refused, and one that was deleted', {
  ...oracle('bash'),
  ...onLinux
}, t => {
  const desk = makeDesk(t)
  const { status, stderr } = inShell(desk, String.raw`cd $'src\xff'; ibt full . --key k`)
  assert.equal(status, 2)
  assert.match(stderr, /working directory/)
  assert.deepEqual(bytesIn(desk.path), ['src\xff'])
  const gone = inShell(desk, 'mkdir gone; cd gone; rmdir ../gone; ibt list')
  assert.equal(gone.status, 2)
  assert.match(gone.stderr, /^ibt: The working directory was deleted/)
})

test('where only text will do, other bytes are refused', { ...oracle('bash'), ...onLinux }, t => {
  const desk = makeDesk(t)
  for (const option of [String.raw`--store $'st\xff'`, String.raw`--cache $'c\xff'`, String.raw`--key $'k\xff'`]) {
    const { status, stderr } = inShell(desk, String.raw`ibt full $'src\xff' ${option}`)
    assert.equal(status, 2, option)
    assert.doesNotMatch(stderr, /\ufffd/)
  }
  assert.deepEqual(bytesIn(desk.path), ['src\xff'])
})

test('where the system does not say what was typed, it is refused', () => {
  assert.deepEqual(typedArguments(['a', 'b'], '/no/such/file'), ['a', 'b'])
  assert.throws(() => typedArguments(['a', 'b\ufffd'], '/no/such/file'), /Argument 2 is not UTF-8/)
})
