import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type BigIntStats, lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { END_OF_ARCHIVE, encodeEntry } from '../../src/format/tar-encode.js'
import { encodePath, isBelow } from '../../src/path.js'
import { oracle } from '../helpers/oracle.js'
import { encodeArchive, file, ODD_SAMPLES, ROOT_SAMPLES, type Sample } from '../helpers/tar-samples.js'

const IS_ROOT = process.getuid?.() === 0
/** GNU tar warns of times before 1970 and in the future, whoever wrote them. */
const TOOLS = { tar: ['--numeric-owner', '-p', '--warning=no-timestamp'], bsdtar: ['--numeric-owner', '-p'] } as const
type Tool = keyof typeof TOOLS
const FORMAT_BITS = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  'character-device': 0o020000,
  'block-device': 0o060000
}

function run(tool: string, args: readonly string[], input: Buffer, locale = 'C.UTF-8'): Buffer {
  const { status, stdout, stderr } = spawnSync(tool, args, {
    input,
    env: { ...process.env, LC_ALL: locale },
    maxBuffer: 1e8
  })
  assert.equal(stderr.toString(), '', `${tool} ${args.join(' ')}`)
  assert.equal(status, 0)
  return stdout
}

function extract(t: TestContext, tool: Tool, samples: readonly Sample[], extra: readonly string[] = []): string {
  const target = mkdtempSync(join(tmpdir(), 'ibt-tar-'))
  t.after(() => rmSync(target, { recursive: true, force: true }))
  run(tool, ['-x', '-f', '-', '-C', target, ...TOOLS[tool], ...extra], encodeArchive(samples))
  return target
}

function checkEntry(target: string, { header, body }: Sample, samples: readonly Sample[]): void {
  const path = Buffer.concat([Buffer.from(`${target}/`), encodePath(header.path)])
  const stat: BigIntStats = lstatSync(path, { bigint: true })
  const what = header.path
  const meant =
    header.type === 'link' ? samples.find(sample => sample.header.path === header.linkname)! : { header, body }
  const { type, mode, uid, gid, mtimeNs, linkname } = meant.header
  assert.equal(Number(stat.mode) & 0o170000, FORMAT_BITS[type as keyof typeof FORMAT_BITS], what)
  if (type !== 'symlink') assert.equal((Number(stat.mode) & 0o7777).toString(8), mode.toString(8), what)
  if (header.type !== 'link' && !samples.some(sample => isBelow(sample.header.path, header.path)))
    assert.equal(stat.mtimeNs, mtimeNs, what)
  if (IS_ROOT) assert.deepEqual([Number(stat.uid), Number(stat.gid)], [uid, gid], what)
  if (type === 'file') assert.deepEqual(readFileSync(path), meant.body, what)
  if (type === 'symlink') assert.deepEqual(readlinkSync(path, { encoding: 'buffer' }), encodePath(linkname!), what)
  if (header.type === 'link') {
    const other = lstatSync(Buffer.concat([Buffer.from(`${target}/`), encodePath(header.linkname!)]), { bigint: true })
    assert.equal(stat.ino, other.ino, what)
  }
  if (type === 'character-device' || type === 'block-device') {
    const { devMajor = 0, devMinor = 0 } = meant.header
    const rdev = BigInt(devMinor & 0xff) | (BigInt(devMajor) << 8n) | (BigInt(devMinor >> 8) << 20n)
    assert.equal(stat.rdev, rdev, what)
  }
}

for (const tool of ['tar', 'bsdtar'] as const) {
  test(`${tool} lists every odd name, mode and time without a word`, oracle(tool), () => {
    const archive = encodeArchive([...ODD_SAMPLES, ...ROOT_SAMPLES])
    const listed = run(tool, ['-t', '-f', '-'], archive).toString('latin1').trimEnd().split('\n')
    assert.equal(listed.length, ODD_SAMPLES.length + ROOT_SAMPLES.length)
    run(tool, ['-t', '-v', '-f', '-'], archive)
  })

  test(`${tool} extracts every odd entry as it was, without a word`, oracle(tool), t => {
    const samples = IS_ROOT ? [...ODD_SAMPLES, ...ROOT_SAMPLES] : ODD_SAMPLES
    const target = extract(t, tool, samples)
    for (const sample of samples) checkEntry(target, sample, samples)
  })

  test(`${tool} lists a header of more than 8 GiB with its size`, oracle(tool), () => {
    for (const sizeBytes of [2 ** 33 - 1, 2 ** 33, 2 ** 40 + 1]) {
      const header = encodeEntry({ ...file('large').header, sizeBytes })
      const { stdout } = spawnSync(tool, ['-t', '-v', '-f', '-'], { input: Buffer.concat([header, END_OF_ARCHIVE]) })
      assert.match(stdout.toString(), new RegExp(` ${sizeBytes} .* large\n`))
    }
  })
}

test('GNU tar lists and extracts all names in the C locale, too', oracle('tar'), () => {
  run('tar', ['-t', '-f', '-'], encodeArchive(ODD_SAMPLES), 'C')
})

test('GNU tar extracts times before 1970 to the nanosecond', oracle('tar'), t => {
  const samples = [-1n, -1_500_000_000n, -1_999_999_999n, -86_400_000_000_001n].map((mtimeNs, i) =>
    file(`t${i}`, { mtimeNs })
  )
  const target = extract(t, 'tar', samples)
  for (const sample of samples) checkEntry(target, sample, samples)
})

for (const tool of ['tar', 'bsdtar'] as const) {
  test(`${tool} extracts extended attributes of any bytes and names`, oracle(tool, 'getfattr'), t => {
    const xattrs = new Map([
      ['user.text', Buffer.from('text')],
      ['user.binary', Buffer.from([0, 255, 10, 61, 0])],
      ['user.empty-not', Buffer.from(' ')],
      ['user.é', Buffer.from('utf-8')]
    ])
    const target = extract(
      t,
      tool,
      [file('x', { xattrs })],
      tool === 'tar' ? ['--xattrs', '--xattrs-include=user.*'] : ['--xattrs']
    )
    for (const [name, value] of xattrs) {
      const read = spawnSync('getfattr', ['--only-values', '-n', name, join(target, 'x')])
      if (read.stderr.includes('Operation not supported')) return t.skip('the file system has no extended attributes')
      assert.deepEqual(read.stdout, value, name)
    }
  })
}
