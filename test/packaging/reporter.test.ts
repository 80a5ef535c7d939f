import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

/** What the reporter prints of a test file. */
function report(t: { after(work: () => void): void }, code: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'ibt-reporter-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'some.test.mjs'), `import { test } from 'node:test'\n${code}`)
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const reporter = `--test-reporter=${join(ROOT, 'scripts/reporter.mjs')}`
  return spawnSync(process.execPath, ['--test', reporter, '--test-reporter-destination=stdout', 'some.test.mjs'], {
    cwd: directory,
    env,
    encoding: 'utf8'
  }).stdout
}

test('a run that passes is a line for the file, and the totals that are counted', t => {
  const text = report(t, "test('one', () => {})\ntest('two', () => {})\n")
  assert.match(text, /^ok {4}.*some\.test\.mjs: 2 tests, \d+\.\d s$/m)
  assert.match(text, /^2 tests in 1 file: 2 passed, in \d+\.\d s$/m)
  for (const line of ['# tests 2', '# pass 2', '# fail 0']) assert.ok(text.split('\n').includes(line), text)
})

test('a failure is named with its error, once at its time and once at the end', t => {
  const text = report(t, "test('fine', () => {})\ntest('broken', () => { throw new Error('the reason') })\n")
  assert.equal(text.match(/^not ok - broken/gm)?.length, 2, text)
  assert.match(text, /the reason/)
  assert.match(text, /^FAIL {2}.*2 tests/m)
  assert.match(text, /^2 tests in 1 file: 1 passed, 1 failed, in/m)
  assert.match(text, /^# fail 1$/m)
})

test('what was skipped is said with its reason', t => {
  const text = report(t, "test('judged', { skip: 'rdiff is not installed' }, () => {})\n")
  assert.match(text, /Skipped:\n {2}1 × rdiff is not installed/)
})

test('tests of a helper are counted with the file that calls it', t => {
  const helper = `data:text/javascript,${encodeURIComponent("import { test } from 'node:test'; export const shared = () => test('shared', () => {})")}`
  const text = report(t, `import { shared } from "${helper}"\nshared()\ntest('own', () => {})\n`)
  assert.match(text, /^ok {4}.*some\.test\.mjs: 2 tests, /m)
  assert.match(text, /^2 tests in 1 file: 2 passed/m)
})

test('a file that cannot be loaded is a failure', t => {
  const text = report(t, "throw new Error('no such thing')\n")
  assert.match(text, /not ok/)
  assert.match(text, /no such thing/)
  assert.match(text, /^# fail 1$/m)
})
