import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ProgressLine } from '../../src/cli/progress.js'
import { decodePath } from '../../src/path.js'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { ODD_NAMES } from '../helpers/tree.js'

const NASTY: readonly (string | Buffer)[] = [
  ...ODD_NAMES,
  ...['\x1b[2J\x1b[31mred', '\x1b]0;title\x07', 'bell\x07', 'back\b\b\bspace', 'return\rover', '\x9b31mC1'],
  ...['\u202egnp.exe', '\u2066x\u2069', 'line\u2028separator', '漢字かな交じり文の長い名前'.repeat(5)],
  ...['👩‍👩‍👧‍👦'.repeat(6), 'e\u0301\u0302\u0303'.repeat(20), '한국어 이름'.repeat(6), 'ｆｕｌｌｗｉｄｔｈ'.repeat(4)]
]

const CLEAR = '\r\x1b[K'
/** What a terminal or a reader would act on. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
const CONTROL = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/** Columns, by the tables of another language. */
function widthsOf(lines: readonly string[]): number[] {
  const script = `
import json, sys, unicodedata
def width(text): return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)
print(json.dumps([width(line) for line in json.load(sys.stdin)]))`
  const { stdout, stderr } = spawnSync('python3', ['-c', script], { input: JSON.stringify(lines), encoding: 'utf8' })
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}

test('the progress line never wraps, whatever a path holds and however narrow the terminal', oracle('python3'), () => {
  const lines: string[] = []
  const columns: number[] = []
  for (const width of [10, 20, 40, 41, 80, 200]) {
    for (const name of NASTY) {
      for (const directory of ['', 'a/long/directory/with/many/parts/']) {
        for (const totalBytes of [undefined, 5e12]) {
          const written: string[] = []
          const stream = { columns: width, write: (text: string) => written.push(text) > 0 }
          const path = directory + decodePath(Buffer.from(name as string))
          const line = new ProgressLine(stream as unknown as NodeJS.WriteStream, totalBytes)
          line.update({ path, entries: 12_345_678, files: 1_234_567, sizeBytes: 123_456_789_012, storedBytes: 1 })
          assert.equal(written.length, 1)
          assert.ok(written[0]!.startsWith(CLEAR))
          lines.push(written[0]!.slice(CLEAR.length))
          columns.push(width)
        }
      }
    }
  }
  for (const line of lines) assert.doesNotMatch(line, CONTROL)
  // The last column stays free: some terminals wrap when it is written.
  for (const [i, width] of widthsOf(lines).entries()) assert.ok(width < columns[i]!, JSON.stringify(lines[i]))
})

test('on a terminal of 40 columns nothing wraps, and no name reaches it raw', oracle('script', 'python3'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  for (const [i, name] of NASTY.entries()) {
    writeFileSync(
      Buffer.concat([Buffer.from(`${desk.at('src')}/`), Buffer.from(name as string)]),
      Buffer.alloc(i * 100_000, i)
    )
  }
  const run = (command: string) => {
    const line = `stty cols 40 rows 10; '${process.execPath}' '${BIN}' ${command}`
    const { stdout } = spawnSync('script', ['-qec', line, '/dev/null'], { cwd: desk.path, env: desk.env })
    return stdout.toString()
  }
  for (const command of ['full src', 'incremental src', 'restore src out', 'verify src --read-data']) {
    const drawn = run(command)
    const pieces = drawn.split(CLEAR)
    const progress = pieces.slice(1, -1)
    for (const [i, width] of widthsOf(progress).entries()) assert.ok(width < 40, JSON.stringify(progress[i]))
    for (const piece of [...progress, ...drawn.replaceAll(CLEAR, '').split('\r\n')]) assert.doesNotMatch(piece, CONTROL)
  }
  assert.ok(run('full src').includes(CLEAR), 'no progress was drawn')
  for (const command of ['ls src', 'diff src', 'list', 'verify src']) {
    for (const line of run(command).replaceAll(CLEAR, '').split('\r\n')) assert.doesNotMatch(line, CONTROL, command)
  }
})

test('what was typed wrong comes back without what a terminal would act on', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('a\x07file'), 'x')
  desk.ibt('full', 'src')
  const wrong = [
    ['full', 'no\x1b[31mthing'],
    ['full', 'a\x07file/x'],
    ['incremental', 'no\x1b[31m\u202ething'],
    ['restore', 'src', 'a\x07file/x'],
    ['verify', 'key\x9b2J'],
    ['signature', 'no\x1b[31mthing', 'out'],
    ['patch', 'a\x07file', 'a\x07file', 'out']
  ]
  for (const args of wrong) {
    const { status, stderr } = desk.ibt(...args)
    assert.notEqual(status, 0)
    for (const line of stderr.split('\n')) assert.doesNotMatch(line, CONTROL, args.join(' '))
  }
})
