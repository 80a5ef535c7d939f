import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Command } from 'commander'
import { buildProgram } from '../../src/cli/program.js'
import { Desk } from '../helpers/desk.js'

/** How a command talks, and whether it uses a config: a script gives these to every command. */
const TALK = ['--json', '--quiet', '--no-progress', '--config', '--no-config']
/** Where backups are, and the keys that read them. */
const PLACES = [
  ...[
    '--store',
    '--quorum',
    '--temporary',
    '--opaque-names',
    '--cache',
    '--no-cache',
    '--verify-key',
    '--jobs',
    '--limit-rate'
  ],
  ...['--identity', '--passphrase-file', '--local-state']
]
/** They have no backups to look for, and as rdiff and a shell expect them they have no report. */
const OTHERS = ['signature', 'delta', 'patch', 'compose', 'init', 'build-addon', 'completion', 'help']
/** The receiver has the places; a store that is tried is an argument. */
const WITHOUT_PLACES = ['send', 'validate-store']

function commandsOf(command: Command): readonly Command[] {
  return command.commands.flatMap(one => [one, ...commandsOf(one)])
}

test('every command takes the common options', () => {
  const commands = commandsOf(buildProgram(new AbortController().signal, () => {}))
  assert.ok(commands.length > 35)
  for (const command of commands) {
    const name = command.name()
    if (OTHERS.includes(name)) continue
    const options = command.options.map(({ long }) => long)
    const common = WITHOUT_PLACES.includes(name) ? TALK : [...TALK, ...PLACES]
    assert.deepEqual(
      common.filter(option => !options.includes(option)),
      [],
      name
    )
  }
})

test('validate-store tries the store of the config, unless it is told of another or to use none', t => {
  const desk = new Desk(t)
  delete desk.env.IBT_STORE
  mkdirSync(desk.at('configured'))
  mkdirSync(desk.at('other'))
  writeFileSync(desk.at('ibt.config.mjs'), `export default { store: 'configured' }`)
  for (const args of [[], ['other', '--no-config'], ['other']]) {
    const { status, stdout, stderr } = desk.ibt('validate-store', ...args, '--no-progress')
    assert.equal(status, 0, stderr)
    assert.match(stdout, / 0 broken/)
  }
  const { status, stderr } = desk.ibt('validate-store', '--no-config')
  assert.deepEqual([status, /No store: give/.test(stderr)], [2, true])
})
