import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { RACY_MS } from '../../src/constants.js'
import { type Codec, gzip, none } from '../../src/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { assertTarCompares, assertTarsExtract, assertTarsList, copyTree, run, shell } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { EDITS, LARGE_EDITS, makeTree, SIZES } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const DECODE: Readonly<Record<string, string>> = { zst: 'zstd -dcq', gz: 'gzip -dc', tar: 'cat', json: 'cat' }

/** The command that undoes the compression of an artifact. */
const decoderOf = (artifact: string) => DECODE[artifact.slice(artifact.lastIndexOf('.') + 1)]!

const TOOLS = oracle('rsync', 'tar', 'bsdtar', 'zstd', 'gzip', 'jq', 'rdiff')

async function makeChain(t: TestContext, codec: Codec | undefined, isLarge: boolean, waitMs = 0): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { codec })
  const tree = makeTree(
    chain.source,
    SIZES.filter(size => isLarge || size < 1e7)
  )
  // The times of a file prove something only some time after its last change.
  await setTimeout(waitMs)
  await chain.full()
  for (const [i, edit] of EDITS.entries()) {
    edit(tree)
    if (isLarge) LARGE_EDITS[i]!(tree)
    await chain.incremental()
  }
  return chain
}

type Judgment = (archive: string, scratch: string) => void

async function judge(chain: NaiveChain, judgment: Judgment): Promise<void> {
  for (const { date, skippedEntries } of chain.reports) {
    assert.equal(skippedEntries, 0)
    const restored = await chain.assertRestores(date, { keep: true })
    assertTarCompares(restored, chain.copy(date))
  }
  judgeArtifacts(chain, judgment)
}

/** Plain tools read every artifact in silence; tar finds the full to be the tree as it was. */
function judgeArtifacts(chain: NaiveChain, judgment: Judgment = assertTarsList): void {
  for (const { files, date } of chain.reports) {
    for (const { name, kind, sha256 } of files) {
      const path = join(chain.storePath, name)
      assert.equal(shell('sha256sum < "$1"', path).toString().slice(0, 64), sha256)
      if (kind === 'state') judgeState(path, date)
      else judgment(path, chain.base)
    }
  }
  const [full] = chain.reports
  const archive = chain.artifact('full', full!.date)
  shell(`${decoderOf(archive)} "$1" | tar -C "$2" --compare -f -`, archive, chain.copy(full!.date))
}

function judgeState(path: string, date: string): void {
  const found = shell(`${decoderOf(path)} "$1" | jq -r '.date, (.entries | length), .totals.entries'`, path)
  const [said, length, total] = found.toString().split('\n')
  assert.equal(said, date)
  assert.equal(length, total)
}

test('every date of a chain comes back, with the codec zstd and a file of many parts', TOOLS, async t => {
  const chain = await makeChain(t, undefined, true, RACY_MS + 100)
  assert.deepEqual(
    chain.reports.map(({ totals }) => totals.unreadable + totals.dirty),
    [0, 0, 0, 0, 0, 0]
  )
  assert.ok(chain.stored('updated').length >= 3)
  await judge(chain, assertTarsExtract)
  judgeDeltas(chain)
  judgeSignatures(chain)
})

for (const [name, codec] of Object.entries({ gzip: gzip(), none: none() })) {
  test(`every date of a chain comes back, with the codec ${name}`, TOOLS, async t => {
    const chain = await makeChain(t, codec, false)
    for (const { date } of chain.reports) await chain.assertRestores(date)
    judgeArtifacts(chain)
  })
}

/** What an archive has under plain names, by path and, for parts, all parts together. */
function bodiesOf(archive: string): Map<string, string[]> {
  const bodies = new Map<string, string[]>()
  for (const name of run('tar', ['-tf', archive]).toString().split('\n')) {
    if (!name.startsWith('sizes/') && !name.startsWith('links/')) continue
    if (name.endsWith('/')) continue
    const path = name.replace(/\/0\d{7}$/, '')
    bodies.set(path, [...(bodies.get(path) ?? []), name])
  }
  return bodies
}

/** `rdiff patch` makes the new content from the old one and a delta out of the archive. */
function judgeDeltas(chain: NaiveChain): void {
  const scratch = join(chain.base, 'rdiff')
  mkdirSync(scratch)
  const judged: string[] = []
  let parts = 0
  for (const [i, { date }] of chain.reports.entries()) {
    if (!chain.stored('updated').some(name => name.includes(date))) continue
    const archive = chain.artifact('updated', date)
    for (const [path, names] of bodiesOf(archive)) {
      const delta = Buffer.concat(names.map(name => run('tar', ['-xOf', archive, name])))
      writeFileSync(join(scratch, 'delta'), delta)
      const before = join(chain.copy(chain.reports[i - 1]!.date), path)
      run('rdiff', ['patch', '-f', before, join(scratch, 'delta'), join(scratch, 'new')])
      run('cmp', [join(scratch, 'new'), join(chain.copy(date), path)])
      judged.push(path)
      parts = Math.max(parts, names.length)
    }
  }
  assert.ok(judged.length >= 6, judged.join(' '))
  assert.ok(parts >= 2, 'no delta has more than one part')
}

/** `rdiff delta` takes a signature out of a sigvault. */
function judgeSignatures(chain: NaiveChain): void {
  const scratch = join(chain.base, 'rdiff')
  const newest = chain.copy(chain.reports.at(-1)!.date)
  for (const { date } of chain.reports) {
    if (!chain.stored('sigvault').some(name => name.includes(date))) continue
    const archive = chain.artifact('sigvault', date)
    for (const [path, names] of bodiesOf(archive)) {
      assert.equal(names.length, 1)
      const changed = join(newest, path)
      if (!existsSync(changed)) continue
      const [signature, delta, made] = ['signature', 'delta', 'made'].map(name => join(scratch, name)) as [
        string,
        string,
        string
      ]
      writeFileSync(signature, run('tar', ['-xOf', archive, names[0]!]))
      run('rdiff', ['delta', '-f', signature, changed, delta])
      run('rdiff', ['patch', '-f', join(chain.copy(date), path), delta, made])
      run('cmp', [made, changed])
    }
  }
}

const TREES = ['/usr/include/linux/netfilter', '/etc/pam.d', '/etc/fonts', '/etc/X11']
const REAL = TREES.filter(path => existsSync(path))
const IS_REAL = REAL.length > 0 ? TOOLS : { skip: `this machine has none of ${TREES.join(', ')}` }

test('every date of a chain on copies of real trees comes back', IS_REAL, async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  for (const [i, path] of REAL.entries()) copyTree(path, join(chain.source, `real/${i}`))
  await chain.full()
  for (const edit of realEdits(chain.source)) {
    edit()
    await chain.incremental()
  }
  for (const { date } of chain.reports) await chain.assertRestores(date)
  judgeArtifacts(chain)
})

function realEdits(source: string): readonly (() => void)[] {
  const files = (step: string, does: string) =>
    shell(`cd "$1" && find real -type f -print0 | sort -z | awk 'BEGIN{RS=ORS="\\0"} NR%${step}' | ${does}`, source)
  return [
    () => files('7==0', 'while IFS= read -r -d "" f; do echo appended >> "$f"; done'),
    () => files('11==0', 'xargs -0r rm'),
    () => files('13==0', 'while IFS= read -r -d "" f; do mv "$f" "$f.moved"; done'),
    () => files('5==0', 'xargs -0r touch'),
    () => {
      files('9==0', "xargs -0r sed -i '1i inserted'")
      mkdirSync(join(source, 'empty'))
      shell('rm -rf "$1"/real/*/[a-e]*', source)
    }
  ]
}
