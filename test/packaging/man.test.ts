import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { buildProgram } from '../../src/cli/program.js'
import { TOPICS } from '../../src/cli/topics.js'
import { BIN } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'

const ROOT = dirname(dirname(BIN))
/** A letter is printed twice to be bold. */
const OVERSTRIKE = new RegExp(`.${String.fromCharCode(8)}`, 'g')
const PAGE = join(ROOT, 'man/ibt.1')

test('mandoc has nothing to say against the man page', oracle('mandoc'), () => {
  const { status, stdout, stderr } = spawnSync('mandoc', ['-Tlint', '-W', 'warning', PAGE], { encoding: 'utf8' })
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
})

test('the man page has every command, option and topic, as the help says them', oracle('mandoc'), () => {
  const { stdout } = spawnSync('mandoc', ['-Tutf8', '-O', 'width=200', PAGE], { encoding: 'utf8' })
  const text = stdout.replace(OVERSTRIKE, '')
  const { commands } = buildProgram(new AbortController().signal, () => {})
  assert.ok(commands.length > 20)
  for (const command of commands) {
    assert.match(text, new RegExp(`^ +ibt ${command.name()}(?: |$)`, 'm'))
    for (const { long } of command.options) assert.ok(text.includes(long!), `${command.name()} ${long}`)
  }
  for (const [topic, { text: page }] of Object.entries(TOPICS)) {
    if (page !== undefined) assert.ok(text.includes(page.split('\n')[0]!), topic)
  }
})

test('the package names the page', () => {
  assert.equal(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).man, './man/ibt.1')
})
