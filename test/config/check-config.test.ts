import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkConfig } from '../../src/config/check-config.js'
import { nearest } from '../../src/config/nearest.js'
import { type Config, defineConfig, gzip, isBackupError } from '../../src/index.js'
import { memoryStore } from '../../src/stores/index.js'

const FILE = '/etc/ibt/ibt.config.mjs'

/** What is said of a config that is refused. */
function refusal(config: unknown): string {
  try {
    checkConfig(config, FILE)
  } catch (error) {
    assert.ok(isBackupError(error), String(error))
    assert.equal(error.code, 'IBT_CONFIG_INVALID')
    assert.ok(error.message.startsWith(FILE), error.message)
    return error.message.slice(FILE.length)
  }
  return assert.fail('It was accepted')
}

test('a source gets absolute paths, its key, and what the config says for all', () => {
  const store = memoryStore()
  const config = defineConfig({
    store,
    cache: 'cache',
    retention: { keepDaily: 7 },
    sources: {
      photos: { path: '~/photos', codec: 'zstd:9', store: 's3://bucket/photos' },
      server: { path: '../srv', key: 'host.srv', codec: gzip(), retention: { keepLast: 3 }, cache: false },
      all: { paths: ['/etc', '/srv/www'], rules: { exclude: ['*.o'] } }
    }
  })
  const { sources } = checkConfig(config, FILE)
  const [photos, server, all] = sources
  assert.deepEqual(
    [photos?.root, photos?.key, photos?.store],
    [join(homedir(), 'photos'), 'photos', 's3://bucket/photos']
  )
  assert.equal(photos?.options.codec?.name, 'zstd')
  assert.equal(photos?.cache, '/etc/ibt/cache')
  assert.deepEqual([server?.root, server?.key, server?.store, server?.cache], ['/etc/srv', 'host.srv', store, false])
  assert.deepEqual([photos?.retention, server?.retention], [{ keepDaily: 7 }, { keepLast: 3 }])
  assert.deepEqual([all?.root, all?.options.rules], ['/', { exclude: ['*.o'], files: ['etc', 'srv/www'] }])
})

test('a field that is not known is refused with the name that was meant', () => {
  assert.match(refusal({ source: {} }), /^: source is not known: sources\?$/)
  assert.match(
    refusal({ sources: { a: { path: '.', Exclude: [] } } }),
    /: sources\.a\.Exclude is not known: the fields are path/
  )
  assert.match(
    refusal({ sources: { a: { path: '.', rules: { exlude: [] } } } }),
    /: sources\.a\.rules\.exlude is not known: exclude\?$/
  )
  assert.match(refusal({ retention: { keepdaily: 7 } }), /: retention\.keepdaily is not known: keepDaily\?$/)
  assert.match(refusal({ hooks: { onSucces: ['true'] } }), /: hooks\.onSucces is not known: onSuccess\?$/)
  assert.match(
    refusal({ sources: { a: { path: '.', hooks: { before: { cmd: ['x'] } } } } }),
    /hooks\.before\.cmd is not known/
  )
  assert.match(refusal({ signKey: 'x' }), /: signKey is a field of a source/)
  assert.match(refusal({ constructor: 1 }), /: constructor is not known/)
})

test('a value that is wrong is refused with its field', () => {
  const ofSource = (source: object) => refusal({ sources: { a: { path: '.', ...source } } })
  assert.match(ofSource({ maxChain: '7' }), /: sources\.a\.maxChain has to be a number$/)
  assert.match(ofSource({ maxChain: -1 }), /: sources\.a is wrong: maxChain/)
  assert.match(ofSource({ codec: 'lzma' }), /: sources\.a\.codec is wrong: 'lzma' is not a codec/)
  assert.match(ofSource({ paths: ['x'] }), /: sources\.a has to have either path or paths$/)
  assert.match(refusal({ sources: { a: {} } }), /: sources\.a has to have either path or paths$/)
  assert.match(ofSource({ rules: { ignoreFiles: ['a/b'] } }), /: sources\.a\.rules is wrong/)
  assert.match(ofSource({ retention: {} }), /: sources\.a\.retention keeps nothing/)
  assert.match(
    ofSource({ retention: { keepDaily: 7, grace: 'soon' } }),
    /: sources\.a\.retention\.grace has to be a time/
  )
  assert.match(ofSource({ retention: { keepDaily: '7 days' } }), /: sources\.a\.retention is wrong/)
  assert.match(ofSource({ hooks: { before: [] } }), /: sources\.a\.hooks\.before has to be a function, a program/)
  assert.match(ofSource({ hooks: { before: { command: ['x'], shell: 'x' } } }), /either command or shell$/)
  assert.match(ofSource({ key: 'a b' }), /: sources\.a is wrong: /)
  assert.match(refusal([]), /has to be an object, as its default export$/)
  assert.match(refusal(undefined), /has to be an object/)
})

test('two sources with one key are refused, also where only case differs', () => {
  const config: Config = { sources: { a: { path: '/a' }, b: { path: '/b', key: 'A' } } }
  assert.match(refusal(config), /: sources\.b has the key A, as a has$/)
})

test('the nearest name is one that few edits lead to', () => {
  const names = ['path', 'paths', 'rules', 'retention']
  assert.deepEqual(
    ['pth', 'Rules', 'retenton', 'xyz', ''].map(name => nearest(name, names)),
    ['path', 'rules', 'retention', undefined, undefined]
  )
})
