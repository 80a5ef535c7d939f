import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Desk } from '../helpers/desk.js'

/** The samples of a file, by metric and labels. */
function samples(desk: Desk): Map<string, number> {
  const lines = readFileSync(desk.at('ibt.prom'), 'utf8').split('\n')
  const found = lines.flatMap(line => {
    const [, name, value] = /^(\w+\{.*\}) (\S+)$/.exec(line) ?? []
    return name === undefined ? [] : [[name, Number(value)] as const]
  })
  return new Map(found)
}

test('--metrics writes the outcome of runs, and keeps those of others', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/a'), 'one')
  const metrics = ['--metrics', desk.at('ibt.prom')]
  assert.equal(desk.ibt('backup', 'src', ...metrics).status, 0)
  const backup = '{operation="backup",key="src"}'
  const first = samples(desk)
  assert.equal(first.get(`ibt_run_exit_code${backup}`), 0)
  assert.deepEqual([first.get(`ibt_source_files${backup}`), first.get(`ibt_source_bytes${backup}`)], [1, 3])
  const success = first.get(`ibt_run_success_time_seconds${backup}`)!
  assert.ok(Math.abs(success - Date.now() / 1000) < 600)

  assert.equal(desk.ibt('verify', 'src', '--read-data', ...metrics).status, 0)
  rmSync(desk.at('src'), { recursive: true })
  const failed = desk.ibt('backup', 'src', ...metrics)
  assert.notEqual(failed.status, 0)
  const last = samples(desk)
  assert.equal(last.get('ibt_problems{operation="verify",key="src"}'), 0)
  assert.equal(last.get(`ibt_run_exit_code${backup}`), failed.status)
  assert.equal(last.get(`ibt_run_success_time_seconds${backup}`), success, 'the last success stays')
  assert.equal(last.get(`ibt_source_files${backup}`), undefined, 'what the failed run does not know is gone')
  assert.deepEqual(
    readdirSync(desk.path).filter(name => name.endsWith('.tmp')),
    []
  )

  const unwritable = desk.ibt('verify', 'src', '--metrics', desk.at('nosuch/ibt.prom'))
  assert.equal(unwritable.status, 0)
  assert.match(unwritable.stderr, /Cannot write the metrics/)
})

test('--metrics of several sources has the outcome of each', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('good'))
  const sources = { good: { path: './good' }, gone: { path: './gone' } }
  writeFileSync(desk.at('ibt.config.json'), JSON.stringify({ sources }))
  assert.equal(desk.ibt('backup', '--metrics', desk.at('ibt.prom')).status, 1)
  const found = samples(desk)
  assert.equal(found.get('ibt_run_exit_code{operation="backup",key="good"}'), 0)
  assert.ok(found.has('ibt_run_success_time_seconds{operation="backup",key="good"}'))
  assert.equal(found.get('ibt_run_exit_code{operation="backup",key="gone"}'), 1)
  assert.ok(!found.has('ibt_run_success_time_seconds{operation="backup",key="gone"}'))

  writeFileSync(desk.at('store/good.state.20200101T000000.000Z.json.zst'), 'no state')
  mkdirSync(desk.at('gone'))
  assert.equal(desk.ibt('backup', 'gone').status, 0)
  const all = desk.ibt('prune', '--all', '--keep-last', '9', '--metrics', desk.at('ibt.prom'))
  assert.notEqual(all.status, 0)
  const pruned = samples(desk)
  assert.equal(pruned.get('ibt_run_exit_code{operation="prune",key="good"}'), all.status)
  assert.equal(pruned.get('ibt_run_exit_code{operation="prune",key="gone"}'), 0)
})

test('a source whose hook in front fails has the metrics of a run that failed, and so have all if that of the run fails', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('a'))
  mkdirSync(desk.at('b'))
  const config = (hooks: object, ofB: object) => {
    const sources = { a: { path: './a' }, b: { path: './b', hooks: ofB } }
    writeFileSync(desk.at('ibt.config.json'), JSON.stringify({ sources, hooks }))
  }
  const codes = () => ['a', 'b'].map(key => samples(desk).get(`ibt_run_exit_code{operation="backup",key="${key}"}`))
  const backup = () => desk.ibt('backup', '--metrics', 'ibt.prom').status
  config({}, {})
  assert.deepEqual([backup(), codes()], [0, [0, 0]])
  const success = samples(desk).get('ibt_run_success_time_seconds{operation="backup",key="b"}')
  config({}, { before: ['false'] })
  assert.deepEqual([backup(), codes()], [1, [0, 1]])
  assert.equal(samples(desk).get('ibt_run_success_time_seconds{operation="backup",key="b"}'), success)
  config({ before: ['false'] }, {})
  assert.deepEqual([backup(), codes()], [1, [1, 1]])
})

const PARSE = `
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(family.type, sample.name, sample.labels['operation'], sample.labels['key'])
`

/** The client library of Prometheus, of the system's Python. */
const prometheus = spawnSync('/usr/bin/python3', ['-c', 'import prometheus_client']).status === 0
const skip = prometheus || process.env.REQUIRE_ORACLES === '1' ? false : 'python3-prometheus-client is not installed'

test('Prometheus reads the metrics', { skip }, t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  desk.ibt('backup', 'src', '--key', 'a.b', '--metrics', desk.at('ibt.prom'))
  desk.ibt('backup', 'src', '--key', 'c', '--metrics', desk.at('ibt.prom'))
  writeFileSync(desk.at('src/file'), 'content')
  const changes = [
    ['backup', 'src', '--key', 'c'],
    ['copy', 'c', '--to', 'other'],
    ['merge', 'c'],
    ['drill', 'c'],
    ['erase', 'c', 'file'],
    ['prune', 'c', '--keep-last', '1']
  ]
  for (const command of changes) {
    const { status, stderr } = desk.ibt(...command, '--metrics', desk.at('ibt.prom'))
    assert.equal(status, 0, stderr)
  }
  const input = readFileSync(desk.at('ibt.prom'))
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', PARSE], { input, encoding: 'utf8' })
  assert.equal(stderr, '')
  const lines = stdout.trim().split('\n')
  assert.equal(lines.length, samples(desk).size)
  assert.ok(lines.includes('gauge ibt_run_exit_code backup a.b'), stdout)
  for (const [operation] of changes) {
    assert.ok(lines.includes(`gauge ibt_run_exit_code ${operation} c`), `${operation}: ${stdout}`)
  }
})
