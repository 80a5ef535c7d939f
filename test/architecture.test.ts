import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** Importable by all. */
const GROUND = ['types', 'errors', 'constants']

/** What each part of the source may import beside itself, lowest first: a file of `src`, or a directory. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  constants: [],
  types: ['errors'],
  path: ['errors'],
  peer: ['errors'],
  flow: [...GROUND, 'path'],
  rules: [...GROUND, 'path'],
  native: [...GROUND, 'path', 'flow'],
  format: [...GROUND, 'path', 'flow'],
  retention: [...GROUND, 'path', 'flow', 'format'],
  codec: [...GROUND, 'path', 'flow', 'format'],
  source: [...GROUND, 'path', 'flow', 'rules', 'native', 'format'],
  change: [...GROUND, 'path', 'flow', 'native', 'format', 'source'],
  archive: [...GROUND, 'path', 'flow', 'native', 'format', 'source', 'change'],
  restore: [...GROUND, 'path', 'flow', 'native', 'format', 'codec', 'source'],
  interop: [...GROUND, 'path', 'flow', 'format'],
  bundle: [...GROUND, 'path', 'flow', 'format', 'interop'],
  stores: [...GROUND, 'path', 'peer', 'flow', 'native', 'format', 'codec'],
  stages: [
    ...[...GROUND, 'path', 'flow', 'rules', 'native', 'format', 'codec', 'source', 'change', 'archive', 'restore'],
    ...['interop', 'bundle']
  ],
  age: [...GROUND, 'path', 'peer', 'flow', 'format', 'codec', 'stores'],
  places: [...GROUND, 'path', 'format', 'stores'],
  exchange: [
    ...[...GROUND, 'path', 'flow', 'native', 'format', 'codec', 'source', 'change', 'restore', 'interop', 'stores']
  ],
  proof: [...GROUND, 'path', 'flow', 'format'],
  lifecycle: [...GROUND, 'format', 'retention', 'stores', 'places'],
  catalog: [...GROUND, 'path', 'flow', 'rules', 'format', 'codec', 'change', 'interop', 'stores', 'stages', 'places'],
  serve: [...GROUND, 'path', 'flow', 'format', 'interop', 'stores', 'stages', 'places', 'catalog'],
  plan: [...GROUND, 'path', 'flow', 'rules', 'format', 'codec', 'change', 'stores', 'stages', 'places', 'catalog'],
  rewrite: [
    ...[...GROUND, 'path', 'flow', 'native', 'format', 'codec', 'source', 'change', 'archive', 'restore', 'stores']
  ],
  pipelines: [
    ...[...GROUND, 'path', 'flow', 'rules', 'native', 'format', 'codec', 'source', 'change', 'archive', 'restore'],
    ...['interop', 'bundle', 'stores', 'stages', 'places', 'catalog'],
    ...['plan', 'exchange', 'proof', 'retention', 'lifecycle', 'rewrite']
  ],
  config: [
    ...[...GROUND, 'path', 'rules', 'native', 'format', 'codec', 'places', 'change', 'retention', 'plan', 'pipelines']
  ],
  index: [
    ...GROUND,
    'config',
    'path',
    'flow',
    'change',
    'rules',
    'native',
    'format',
    'codec',
    'places',
    'interop',
    'bundle',
    'exchange',
    'serve',
    'stores',
    'stages',
    'places',
    'catalog',
    'plan',
    'proof',
    'pipelines',
    'retention',
    'lifecycle',
    'rewrite'
  ],
  cli: [
    ...[
      ...GROUND,
      'age',
      'path',
      'flow',
      'rules',
      'native',
      'format',
      'codec',
      'change',
      'interop',
      'bundle',
      'stores',
      'stages'
    ],
    ...['age', 'places', 'catalog', 'serve', 'plan', 'proof', 'pipelines', 'config'],
    'retention',
    'lifecycle',
    'rewrite'
  ]
}

/** What each room of `pipelines` may import beside itself and what lies loose, lowest first. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  restore: [],
  prove: ['restore'],
  upkeep: ['restore'],
  backup: ['upkeep'],
  transfer: ['restore', 'backup']
}

/** Pure bytes and values: a file, a socket or a process has no place there. */
const PURE = ['format', 'retention', 'codec', 'path', 'rules', 'types', 'errors', 'constants']
const INPUT_OUTPUT =
  /^node:(child_process|dgram|dns|fs|http|http2|https|inspector|net|os|readline|tls|tty|worker_threads)\b/

const LINES_MAX = 300

/** Where a package may be imported. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  'it-pipe': /^interop\/pipe\.ts$/,
  'tar-stream': /^interop\//,
  streamx: /^interop\//,
  ignore: /^rules\.ts$/,
  'chrono-node': /^places\/at\.ts$/,
  commander: /^cli\//,
  '@aws-sdk/client-s3': /^stores\/s3\//,
  'age-encryption': /^age\//,
  '@mongodb-js/zstd': /^codec\//,
  ssh2: /^stores\/sftp\//,
  webdav: /^stores\/webdav\//
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const source = join(root, 'src')

interface Import {
  readonly from: string
  readonly specifier: string
  readonly isTypeOnly: boolean
}

const STATEMENT =
  /^\s*(?:import|export)\s(type\s)?[^'"`;=]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'(?: as string)?\)/gm

function importsOf(from: string): Import[] {
  const text = readFileSync(join(source, from), 'utf8')
  return [...text.matchAll(STATEMENT)].map(([, type, ...specifiers]) => ({
    from,
    specifier: specifiers.find(specifier => specifier !== undefined)!,
    isTypeOnly: type !== undefined
  }))
}

const files = readdirSync(source, { recursive: true })
  .map(String)
  .filter(name => name.endsWith('.ts'))
const imports = files.flatMap(importsOf)

/** The path in `src` of an imported file of ours. */
function targetOf({ from, specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return normalize(join(dirname(from), specifier)).replace(/\.js$/, '.ts')
}

function partOf(file: string): string {
  return file.replace(/\.ts$/, '').split('/')[0]!
}

/** The room of `pipelines` that a file is in, if any. */
function roomOf(file: string): string | undefined {
  return /^pipelines\/(.+)\//.exec(file)?.[1]
}

function describe(found: readonly Import[]): string[] {
  return found.map(({ from, specifier }) => `${from} imports ${specifier}`)
}

test('the import lines of every source file are read', () => {
  assert.ok(imports.length > files.length, `${imports.length} imports in ${files.length} files`)
  const isRead = (from: string, specifier: string) => imports.some(i => i.from === from && i.specifier === specifier)
  assert.ok(isRead('path.ts', './errors.js'))
  assert.ok(isRead('interop/pipe.ts', 'it-pipe'))
})

test('every part of the source has a layer', () => {
  const parts = new Set(files.map(partOf))
  assert.deepEqual([...parts].filter(part => LAYERS[part] === undefined).sort(), [])
})

test('imports point down only', () => {
  const wrong = imports.filter(found => {
    const target = targetOf(found)
    if (target === undefined) return false
    const [part, wanted] = [partOf(found.from), partOf(target)]
    return part !== wanted && !LAYERS[part]?.includes(wanted)
  })
  assert.deepEqual(describe(wrong), [])
})

test('the rooms of pipelines point down, too, and what lies loose needs none of them', () => {
  const wrong = imports.filter(found => {
    const target = targetOf(found)
    if (target === undefined || partOf(found.from) !== 'pipelines') return false
    const [room, wanted] = [roomOf(found.from), roomOf(target)]
    if (room === wanted || wanted === undefined) return false
    return room === undefined ? !found.isTypeOnly : !ROOMS[room]!.includes(wanted)
  })
  assert.deepEqual(describe(wrong), [])
})

test('the layers themselves have no circle', () => {
  const order = Object.keys(LAYERS)
  // `types` names the error class only.
  const below = (part: string) => LAYERS[part]!.every(lower => order.indexOf(lower) < order.indexOf(part))
  assert.deepEqual(
    order.filter(part => !below(part)),
    []
  )
})

test('types imports only types', () => {
  const wrong = imports.filter(found => {
    const target = targetOf(found)
    return partOf(found.from) === 'types' && !found.isTypeOnly && (target === undefined || partOf(target) !== 'types')
  })
  assert.deepEqual(describe(wrong), [])
})

test('a stage imports neither a stage nor a store', () => {
  const wrong = imports.filter(found => {
    const target = targetOf(found)
    return /^stages\/(?!index\.ts)/.test(found.from) && target !== undefined && /^(stages|stores)\//.test(target)
  })
  assert.deepEqual(describe(wrong), [])
})

test('formats, codecs and everything below them do no input or output', () => {
  const wrong = imports.filter(({ from, specifier }) => PURE.includes(partOf(from)) && INPUT_OUTPUT.test(specifier))
  assert.deepEqual(describe(wrong), [])
})

test('a package is imported where it belongs, and builtins by their full name', () => {
  const wrong = imports.filter(({ from, specifier }) => {
    if (specifier.startsWith('.') || specifier.startsWith('node:')) return false
    const place = PACKAGES[specifier]
    return place === undefined || !place.test(from)
  })
  assert.deepEqual(describe(wrong), [])
})

test('an import of an optional package does not stop a bundler where it is not installed', () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const wrong = files.flatMap(file => {
    const text = readFileSync(join(source, file), 'utf8')
    const found = text.matchAll(/(?<!typeof )import\('([^'.]+)'\)(?!\.catch\(optional\))/g)
    return [...found].filter(([, name]) => name! in peerDependencies).map(([, name]) => `${file} imports ${name}`)
  })
  assert.deepEqual(wrong, [])
})

test('every import of a file of ours names it with its ending, and it exists', () => {
  const wrong = imports.filter(found => {
    const target = targetOf(found)
    return target !== undefined && (!found.specifier.endsWith('.js') || !files.includes(target))
  })
  assert.deepEqual(describe(wrong), [])
})

test('no part of the source is called utils', () => {
  const isUtils = (file: string) => /(^|\/)(utils?|helpers?|misc|common)(\/|\.ts$)/.test(relative('.', file))
  assert.deepEqual(files.filter(isUtils), [])
})

test('no source file has more lines than a reader takes in: one with two ideas is two files', () => {
  const lengths = files.map(file => [readFileSync(join(source, file), 'utf8').split('\n').length - 1, file] as const)
  assert.deepEqual(
    lengths.filter(([lines]) => lines > LINES_MAX),
    []
  )
})
