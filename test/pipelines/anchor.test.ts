import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { anchorPatterns, relativeNames } from '../../src/pipelines/anchor.js'
import { createRules } from '../../src/rules.js'

/** A source, a directory beside it, and a link that leads to both. */
function makePlace(t: TestContext): { readonly path: string; readonly root: string } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'ibt-anchor-')))
  t.after(() => rmSync(path, { recursive: true }))
  mkdirSync(join(path, 'src/cache'), { recursive: true })
  mkdirSync(join(path, 'src/glob [a]'))
  mkdirSync(join(path, 'other/cache'), { recursive: true })
  symlinkSync(path, join(path, 'link'))
  return { path, root: join(path, 'src') }
}

test('an absolute path in the source is anchored at the source', async t => {
  const { path, root } = makePlace(t)
  const typed: Readonly<Record<string, string>> = {
    [`${root}/cache`]: '/cache',
    [`${root}/cache/`]: '/cache/',
    [`${root}//x/../cache`]: '/cache',
    [`${root}/**/*.o`]: '/**/*.o',
    [`${root}/not/there`]: '/not/there',
    [`!${root}/cache`]: '!/cache',
    [`${path}/link/src/cache`]: '/cache',
    '/cache': '/cache',
    '/proc': '/proc',
    '*.o': '*.o',
    './cache': './cache',
    [`${root}2/cache`]: `${root}2/cache`
  }
  assert.deepEqual(await anchorPatterns(Object.keys(typed), root), Object.values(typed))
  assert.deepEqual(await anchorPatterns([`${root}/cache`, `${path}/link/src/cache`], join(path, 'link/src')), [
    '/cache',
    '/cache'
  ])
  assert.deepEqual(await anchorPatterns(['/etc/passwd'], '/'), ['/etc/passwd'])
})

test('a pattern that would leave out nothing is refused', async t => {
  const { path, root } = makePlace(t)
  for (const typed of [root, `${root}/`, `!${root}`, `${path}/other/cache`, `${path}/other/cache/`, '~/cache']) {
    await assert.rejects(anchorPatterns([typed], root), RangeError, typed)
  }
  for (const typed of ['.', './', '..', '../x', './a/../..', '!.']) {
    assert.throws(() => createRules({ exclude: [typed] }), RangeError, typed)
  }
})

test('./ anchors a pattern at the root', () => {
  const excludes = (pattern: string, path: string) =>
    createRules({ exclude: [pattern] })
      .root(new Map(), [])
      .excludes(path, 'directory')
  for (const pattern of ['./cache', './cache/', './x/../cache', '././cache']) {
    assert.ok(excludes(pattern, 'cache'), pattern)
    assert.ok(!excludes(pattern, 'a/cache'), pattern)
  }
  assert.ok(excludes('./*.d', 'a.d') && !excludes('./*.d', 'a/a.d'))
  assert.ok(excludes('.cache', '.cache') && excludes('..x', '..x'))
})

test('names of --files-from may be absolute', async t => {
  const { path, root } = makePlace(t)
  const names = [`${root}/cache`, root, 'a', `${root}/x/`, `${path}/other`]
  assert.deepEqual(await relativeNames(names, root), ['cache', '.', 'a', 'x', `${path}/other`])
})
