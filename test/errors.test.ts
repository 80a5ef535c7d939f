import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Exit, exitCode, problemsExit } from '../src/cli/exit.js'
import { BackupError, type ErrorCode, isBackupError } from '../src/errors.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PAGE = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
const CODES = [...readFileSync(join(ROOT, 'src/errors.ts'), 'utf8').matchAll(/^ {2}\| '(IBT_\w+)'/gm)].map(
  ([, code]) => code as ErrorCode
)

/** The sections of the page by heading. */
const SECTIONS = new Map(
  PAGE.split(/^## /m)
    .slice(1)
    .map(text => [text.slice(0, text.indexOf('\n')), text] as const)
)

test('the page has a section for each code, in order, and for no other', () => {
  assert.ok(CODES.length > 20)
  assert.deepEqual(
    [...SECTIONS.keys()].filter(heading => heading.startsWith('IBT_')),
    CODES
  )
})

test('each section says what happened, what to do and the exit code', () => {
  for (const code of CODES) {
    const [, happened, todo, exit] = SECTIONS.get(code)!.trim().split('\n\n')
    assert.match(happened!, /^What happened: .{20,}/, code)
    assert.match(todo!, /^What to do: .{5,}/, code)
    const isOfOneEntry = code === 'IBT_FILE_CHANGED' || code === 'IBT_BIT_ROT'
    const expected = isOfOneEntry ? Exit.partial : exitCode(new BackupError(code, ''))
    assert.match(exit!, new RegExp(`^Exit code: ${expected}(, or 3 if it was one entry)?$`), code)
  }
})

test('problems exit with 4 if one of them is damage, else as the first of them', () => {
  const of = (...codes: ErrorCode[]) => problemsExit(codes.map(code => new BackupError(code, '')))
  assert.deepEqual(
    [of(), of('IBT_STORE_FAILED'), of('IBT_STORE_FAILED', 'IBT_HASH_MISMATCH'), of('IBT_CODEC_UNKNOWN')],
    [Exit.done, Exit.failed, Exit.integrity, Exit.refused]
  )
})

test('the page lists the exit codes, all and no other', () => {
  const listed = [...SECTIONS.get('Exit codes of ibt')!.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
  assert.deepEqual(listed, Object.values(Exit))
})

test('an error of any copy of the package is told, and nothing else is', () => {
  const error = new BackupError('IBT_LOCKED', 'Held', { path: 'a', cause: 1 })
  assert.ok(isBackupError(error))
  assert.deepEqual([error.name, error.code, error.path, error.cause], ['BackupError', 'IBT_LOCKED', 'a', 1])
  assert.ok(!isBackupError(new Error('Held')))
  assert.ok(!isBackupError(undefined))
})
