import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { countBytes } from '../../src/cli/count-ahead.js'
import { none } from '../../src/codec/index.js'
import { fullBackup, incrementalBackup, type Progress } from '../../src/index.js'
import type { Codec } from '../../src/types.js'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/sub'), { recursive: true })
  for (let i = 0; i < 6; i++) {
    writeFileSync(
      desk.at('src/sub', `file ${i}`),
      createRandom(i)
        .bytes(1 << 20)
        .toString('hex')
    )
  }
  writeFileSync(desk.at('src/left-out'), 'x'.repeat(1000))
  return desk
}

test('what a first full will read is counted ahead, as its rules have it', async t => {
  const desk = makeDesk(t)
  const never = new AbortController().signal
  for (const rules of [{}, { exclude: [desk.at('src/left-out'), './sub/file 1'] }, { files: [desk.at('src/sub')] }]) {
    const { totals } = await fullBackup(desk.at('src'), { store: desk.at('store'), cache: false, rules, dryRun: true })
    assert.equal(await countBytes(desk.at('src'), rules, never), totals.sizeBytes)
  }
  await assert.rejects(countBytes(desk.at('src'), {}, AbortSignal.abort(new Error('stop'))), /stop/)
})

test('a run tells what the newest backup counted as the total to come', async t => {
  const desk = makeDesk(t)
  const seen: Progress[] = []
  const options = {
    store: desk.at('store'),
    cache: false,
    onProgress: (progress: Progress) => seen.push(progress)
  } as const
  const first = await fullBackup(desk.at('src'), options)
  assert.ok(seen.length > 0 && seen.every(({ total }) => total === undefined))
  const { entries, files, sizeBytes } = first.totals
  for (const run of [incrementalBackup, fullBackup]) {
    seen.length = 0
    await run(desk.at('src'), options)
    assert.ok(seen.length > 0)
    for (const { total } of seen) assert.deepEqual(total, { entries, files, sizeBytes })
  }
})

test(
  'on a terminal a full and an incremental say how far they are, a tar on stdout is left alone',
  oracle('script'),
  async t => {
    const desk = makeDesk(t)
    const argumentsOf = (command: string) => {
      const line = `stty cols 80; ${command.replace('ibt', `'${process.execPath}' '${BIN}'`)}`
      return ['-qec', line, '/dev/null']
    }
    const drawn = (command: string) => {
      const { stdout } = spawnSync('script', argumentsOf(command), { cwd: desk.path, env: desk.env })
      return stdout.toString()
    }
    // Nobody waits for the end of this file: what is to come is counted beside the run, sooner or later.
    mkdirSync(desk.at('long'))
    writeFileSync(desk.at('long/file'), '')
    truncateSync(desk.at('long/file'), 2 ** 40)
    const long = spawn('script', argumentsOf('exec ibt full long'), { cwd: desk.path, env: desk.env })
    t.after(() => long.kill('SIGKILL'))
    let said = ''
    let isEnough = false
    long.stdout.on('data', text => {
      said += text
      if (isEnough || !/\d+ % {2}.* left/.test(said)) return
      isEnough = true
      long.stdin.write('\x03')
    })
    assert.deepEqual(await once(long, 'close'), [130, null], said)
    assert.match(drawn('ibt full src'), /\d files? {2}/)
    assert.match(drawn('ibt backup src'), /\d+ % {2}/)
    const piped = drawn('ibt restore src - | cat > tar')
    assert.ok(piped.includes('as a tar') && !piped.includes('\x1b[K'), piped)
    assert.ok(drawn('ibt restore src - > tar').includes('\x1b[K'))
  }
)

test('a large file moves the progress as it is read, never back, however slow the codec', async t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const bytes = createRandom(7).bytes(24 << 20)
  writeFileSync(desk.at('src/large'), bytes)
  writeFileSync(desk.at('src/small'), 'small')
  const options = { store: desk.at('store'), cache: false as const }
  const run = async (backup: typeof fullBackup, codec: Codec | undefined) => {
    const seen: number[] = []
    const onProgress = ({ sizeBytes }: Progress) => seen.push(sizeBytes)
    const { totals } = await backup(desk.at('src'), { ...options, codec, onProgress })
    assert.equal(seen.at(-1), totals.sizeBytes)
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b)
    )
    return seen
  }
  // One frame at a time: what has been read is not far ahead of what has left the encoder.
  let frames = 0
  const slow: Codec = {
    ...none(),
    async encode(frame) {
      await setTimeout(20)
      frames++
      return frame
    }
  }
  const seen = await run(fullBackup, slow)
  assert.ok(frames >= 24 && seen.length > 12, `${seen.length} reports, ${frames} frames`)
  bytes.fill(1, 20 << 20, (20 << 20) + 10)
  writeFileSync(desk.at('src/large'), bytes)
  // Nothing of it is stored for long, but it is read.
  assert.ok((await run(incrementalBackup, undefined)).filter(sizeBytes => sizeBytes < bytes.length).length > 8)
})
