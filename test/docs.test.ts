import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as constants from '../src/constants.js'
import * as library from '../src/index.js'
import * as stores from '../src/stores/index.js'
import type { ByteRange, Store } from '../src/types.js'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const PAGES = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'test/fixtures/README.md'],
  ...readdirSync(join(ROOT, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`)
]

interface Block {
  readonly language: string
  readonly code: string
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({
    language: language!,
    code: code!
  }))
}

/** A directory with a small tree `src`, an `ibt` on the path, and nothing of the machine's own backups. */
function makeDesk(): { readonly path: string; readonly env: NodeJS.ProcessEnv } {
  const path = mkdtempSync(join(tmpdir(), 'ibt-docs-'))
  mkdirSync(join(path, 'src/sub'), { recursive: true })
  writeFileSync(join(path, 'src/file.txt'), 'some text\n')
  writeFileSync(join(path, 'src/sub/large.bin'), Buffer.alloc(100_000, 'x'))
  mkdirSync(join(path, 'bin'))
  writeFileSync(join(path, 'bin/ibt'), `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'bin/ibt.cjs')}' "$@"\n`)
  chmodSync(join(path, 'bin/ibt'), 0o755)
  const env = {
    PATH: `${join(path, 'bin')}:${process.env.PATH}`,
    HOME: path,
    TMPDIR: path,
    IBT_CACHE: join(path, 'cache')
  }
  return { path, env }
}

/** Runs a block; `import 'incremental-backups-tools'` finds this package, because the file lies in it. */
function run({ language, code }: Block, name: string, desk: ReturnType<typeof makeDesk>): void {
  const options = { cwd: desk.path, env: desk.env, stdio: 'pipe' as const }
  if (language === 'sh') execFileSync('bash', ['-e', '-c', code], options)
  else {
    const file = join(ROOT, 'dist/docs', `${name}.mjs`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, code)
    execFileSync(process.execPath, [file], options)
  }
}

for (const page of PAGES) {
  const blocks = blocksOf(page).filter(({ language }) => language === 'js' || language === 'sh')
  if (blocks.length === 0) continue
  test(`the code of ${page} runs`, () => {
    const desk = makeDesk()
    try {
      for (const [i, block] of blocks.entries()) {
        try {
          run(block, `${basename(page, '.md')}-${i}`, desk)
        } catch (error) {
          const { stderr } = error as { stderr?: Buffer }
          assert.fail(`block ${i + 1}:\n${block.code}\n${stderr ?? error}`)
        }
      }
    } finally {
      rmSync(desk.path, { recursive: true, force: true })
    }
  })
}

test('every link of the pages leads somewhere', () => {
  for (const page of PAGES) {
    const text = readFileSync(join(ROOT, page), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [path, anchor] = target!.split('#') as [string, string | undefined]
      const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path)
      assert.ok(existsSync(file), `${page} links to ${target}`)
      if (anchor !== undefined) assert.ok(anchorsOf(file).includes(anchor), `${page} links to ${target}`)
    }
  }
})

test('the first page leads to every other', () => {
  const first = readFileSync(join(ROOT, 'README.md'), 'utf8')
  for (const page of PAGES.slice(1)) {
    if (!page.startsWith('test/')) assert.ok(first.includes(`](${page}`), `README.md has no link to ${page}`)
  }
})

const UNITS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** A value as a page prints it: `16`, `0.75`, `8 MiB`, `.exclude` in backquotes. */
function readValue(text: string): unknown {
  const quoted = /^`(.*)`$/.exec(text)
  if (quoted !== null) return quoted[1]
  const [number, unit] = text.split(' ') as [string, string | undefined]
  return Number(number) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN))
}

test('every constant that the pages name is exported, and in the table with its value', () => {
  const table = readFileSync(join(ROOT, 'docs/stages.md'), 'utf8').split('\n## Constants\n')[1]!
  const rows = new Map([...table.matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm)].map(([, name, value]) => [name!, value!]))
  for (const [name, value] of rows) assert.equal(readValue(value), (library as never)[name], name)
  for (const page of PAGES) {
    if (page === 'CHANGELOG.md') continue
    const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```.*?^```$/gms, '')
    for (const [, name] of text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
      if (name! in constants) assert.ok(rows.has(name!), `${page} names ${name}: docs/stages.md has no row for it`)
    }
  }
})

test('the encrypting store of the pages has one key stream, below and beyond 2 GiB', async () => {
  const block = blocksOf('docs/pipelines.md').find(({ code }) => code.includes('function encrypted '))!
  const code = block.code
    .slice(0, block.code.indexOf('const store = '))
    .replace(/^import .* from 'incremental-backups-tools.*\n/gm, '')
  const wrapStore = 'const wrapStore = (store, changes) => ({ ...store, ...changes });\n'
  const url = `data:text/javascript,${encodeURIComponent(`${wrapStore}${code}export { encrypted }`)}`
  const { encrypted } = (await import(url)) as { encrypted(store: object, key: Uint8Array): Store }
  const zeros = { id: 'zeros', get: (_: string, { start, end }: ByteRange) => [Buffer.alloc(end! - start)] }
  const store = encrypted(zeros, Buffer.alloc(32, 7))
  const read = async (start: number, end: number) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of store.get('name', { start, end })) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  for (const middle of [16, 1000, 2 ** 31, 2 ** 31 + 5, 2 ** 32, 2 ** 35, 2 ** 36 + 3, 2 ** 45]) {
    const whole = await read(middle - 10, middle + 100)
    assert.deepEqual(Buffer.concat([await read(middle - 10, middle), await read(middle, middle + 100)]), whole)
    // Cut to 32 bits, a position would have the key stream of another.
    const cut = middle % 2 ** 31
    if (cut !== middle) assert.notDeepEqual(await read(cut, cut + 100), whole.subarray(10))
  }
})

function anchorsOf(file: string): string[] {
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)]
  return headings.map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-')
  )
}

test('every file that the pages name is there, and so is every constant', () => {
  const source = readFileSync(join(ROOT, 'src/constants.ts'), 'utf8')
  for (const page of PAGES) {
    const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```.*?^```$/gms, '')
    for (const [, path] of text.matchAll(/`((?:src|test|docs|native|scripts|bench|bin)\/[\w./-]+)`/g)) {
      assert.ok(existsSync(join(ROOT, path!)), `${page} names ${path}`)
    }
    for (const [, name] of text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
      const isElsewhere = /^(AWS|DEEP|GLACIER|IBT|REQUIRE|RS|SEEK|STANDARD|UV|XDG)_/.test(name!)
      assert.ok(
        isElsewhere || source.includes(`const ${name} `) || name! in library || name! in stores,
        `${page} names ${name}`
      )
    }
  }
})
