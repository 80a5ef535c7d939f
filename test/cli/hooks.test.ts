import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Chain } from '../../src/index.js'
import { directoryStore } from '../../src/stores/index.js'
import { Desk } from '../helpers/desk.js'
import { run } from '../helpers/judges.js'
import { loopMount } from '../helpers/loop-mount.js'
import { oracle } from '../helpers/oracle.js'

/** A desk with a source `src` and a config with hooks of it; `log` collects lines of shell hooks. */
function makeDesk(t: TestContext, hooks: string, more = ''): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/a'), 'one\n')
  const config = `import { existsSync, writeFileSync } from 'node:fs'
    export default { sources: { server: { path: 'src', key: 'host', hooks: ${hooks} } }, ${more} }`
  writeFileSync(desk.at('ibt.config.mjs'), config)
  return desk
}

const logOf = (desk: Desk) =>
  existsSync(desk.at('log')) ? readFileSync(desk.at('log'), 'utf8').trim().split('\n') : []
const log = (text: string) => `{ shell: 'echo "${text}" >> log' }`
const events = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
const reportOf = (stdout: string) => events(stdout).find(({ event }) => event === 'report' || event === 'failed')

test('hooks run around a source and around the run, in order and with their variables', t => {
  const around = (what: string) =>
    `{ before: ${log(`${what} before`)}, after: [${log(`${what} after $IBT_EXIT`)}, ${log('again')}],
       onSuccess: ${log(`${what} success $IBT_EVENT`)}, onFailure: ${log(`${what} failure`)} }`
  const desk = makeDesk(t, around('$IBT_SOURCE $IBT_KEY'), `hooks: ${around('run')}`)
  const { status, stdout } = desk.ibt('backup', '--json')
  assert.equal(status, 0)
  assert.deepEqual(logOf(desk), [
    ...['run before', 'server host before', 'server host after 0', 'again', 'server host success onSuccess'],
    ...['run after 0', 'again', 'run success onSuccess']
  ])
  assert.deepEqual(
    reportOf(stdout).hooks.map(({ event, isFailed }: { event: string; isFailed: boolean }) => [event, isFailed]),
    [
      ['before', false],
      ['after', false],
      ['after', false],
      ['onSuccess', false]
    ]
  )
  assert.equal(events(stdout).at(-1).hooks.length, 4)
})

test('a snapshot is read in the place of the source, whose root and key are recorded', async t => {
  const desk = makeDesk(
    t,
    `{ before: { shell: 'cp -a src snapshot && echo new > src/a && cp -a store snapshot/store', path: 'snapshot' },
       after: ['rm', '-r', 'snapshot'] }`
  )
  writeFileSync(desk.at('src/b'), 'b\n')
  mkdirSync(desk.at('store'))
  for (const level of ['full', 'incremental']) {
    writeFileSync(desk.at('src/a'), 'one\n')
    const { status, stderr } = desk.ibt(level)
    assert.equal(status, 0, stderr)
    assert.ok(!existsSync(desk.at('snapshot')))
  }
  assert.equal(desk.ibt('cat', 'host', 'a').stdout, 'one\n')
  const chain = await Chain.open(directoryStore(desk.at('store')), 'host')
  assert.equal((await chain.ends(chain.at().date)).header.root, desk.at('src'))
  // A run without the snapshot goes on with the same chain.
  assert.match(desk.ibt('incremental', './src', '--key', 'host').stdout, /1 updated/)
})

test('a function gives the path, the report and the date, and can fail', t => {
  const desk = makeDesk(
    t,
    `{ before: ({ path, key, signal }) => ({ path: path.replace(/src$/, 'other') }),
       onSuccess: ({ date, exitCode, report }) => writeFileSync('seen', [date === report.date, exitCode, report.kind].join()),
       after: async () => { throw new Error('no umount') }, onFailure: ({ exitCode, report }) => writeFileSync('failed', [exitCode, report.exitCode].join()) }`
  )
  mkdirSync(desk.at('other'))
  writeFileSync(desk.at('other/x'), 'x')
  const { status, stdout, stderr } = desk.ibt('backup')
  assert.equal(status, 3)
  assert.match(stdout, /Full backup of host/)
  assert.match(stderr, /server: The hook 'after' has failed: no umount/)
  assert.equal(readFileSync(desk.at('failed'), 'utf8'), '3,0')
  assert.ok(!existsSync(desk.at('seen')))
  assert.equal(desk.ibt('ls', 'host').stdout, '.\nx\n')
})

test('a hook in front that fails leaves nothing backed up; its exit code and output are reported', t => {
  const desk = makeDesk(
    t,
    `{ before: [['sh', '-c', 'echo out; echo "no space" >&2; exit 7'], ${log('never')}], after: ${log('after $IBT_EXIT')},
       onSuccess: ${log('success')}, onFailure: { shell: 'cp "$IBT_REPORT" report.json; stat -c %a "$IBT_REPORT" > mode' } }`
  )
  const { status, stdout, stderr } = desk.ibt('backup', '--json')
  assert.equal(status, 1)
  assert.match(stderr, /ibt: server: The hook 'before' has failed: It ended with exit code 7/)
  const { code, hooks } = reportOf(stdout)
  assert.equal(code, 'IBT_HOOK_FAILED')
  assert.deepEqual([hooks[0].exitCode, hooks[0].output], [7, 'out\nno space\n'])
  assert.deepEqual(logOf(desk), ['after 1'])
  assert.ok(!existsSync(desk.at('store')))
  assert.equal(JSON.parse(readFileSync(desk.at('report.json'), 'utf8')).code, 'IBT_HOOK_FAILED')
  assert.equal(readFileSync(desk.at('mode'), 'utf8'), '600\n')
  assert.match(desk.ibt('backup').stderr, /server: {3}no space/)
})

test('a hook that takes too long is ended with all that it has started', async t => {
  let desk: Desk
  // On a busy machine the shell may not have begun before the time is over.
  for (let timeoutMs = 300; ; timeoutMs *= 10) {
    desk = makeDesk(t, `{ before: { shell: 'sleep 600 & echo $! > pid; wait', timeoutMs: ${timeoutMs} } }`)
    const { status, stderr } = desk.ibt('backup')
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`The hook 'before' has failed: It took longer than ${timeoutMs} ms`))
    if (existsSync(desk.at('pid')) && readFileSync(desk.at('pid'), 'utf8') !== '') break
  }
  // It has been told to end, and does so when it gets the processor.
  const pid = Number(readFileSync(desk.at('pid'), 'utf8'))
  for (let tries = 0; !hasEnded(pid); tries++) {
    assert.ok(tries < 6000, `process ${pid} still runs`)
    await setTimeout(10)
  }
})

function hasEnded(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

test('what a hook leaves in the background does not keep the run', t => {
  const desk = makeDesk(t, `{ before: { shell: 'sleep 600 & echo $! > pid' } }`)
  assert.equal(desk.ibt('backup').status, 0)
  // It still runs.
  process.kill(Number(readFileSync(desk.at('pid'), 'utf8')))
})

test('an interrupted run still cleans up, in the hook before or in the middle', async t => {
  const cleanUp = `after: { shell: 'sleep 0.2; echo "after $IBT_EXIT" >> log' }, onFailure: ${log('failure')}`
  const inHook = makeDesk(
    t,
    `{ before: { shell: 'echo before >> log; exec sleep 60' }, ${cleanUp} }`,
    `hooks: { after: ${log('run after')} }`
  )
  const parked = `stages: {
    filter: async function * (source, { signal }) {
      const timer = setInterval(() => {}, 1000)
      signal.addEventListener('abort', () => clearInterval(timer))
      for await (const entry of source) {
        writeFileSync('log', 'before\\n')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        yield entry
      }
    }
  }`
  const inMiddle = makeDesk(t, `{ ${cleanUp} }, ${parked}`, `hooks: { after: ${log('run after')} }`)
  for (const desk of [inHook, inMiddle]) {
    const running = desk.start(['backup', '--json'])
    await running.until(() => logOf(desk).includes('before'))
    running.child.kill('SIGINT')
    const { status, stdout } = await running.ended
    assert.equal(status, 130)
    assert.deepEqual(logOf(desk), ['before', 'after 130', 'failure', 'run after'])
    assert.equal(events(stdout).at(-1).code, 'CANCELLED')
    assert.ok(
      !existsSync(desk.at('store')) ||
        readdirSync(desk.at('store')).every(name => statSync(desk.at('store', name)).isDirectory())
    )
  }
})

test('a dry run prepares and cleans up, and tells nobody', t => {
  const desk = makeDesk(
    t,
    `{ before: ${log('before $IBT_DRY_RUN')}, after: ${log('after')}, onSuccess: ${log('success')} }`
  )
  assert.equal(desk.ibt('backup', '--dry-run').status, 0)
  assert.deepEqual(logOf(desk), ['before 1', 'after'])
})

test('the Btrfs snapshot of docs/config.md is what is backed up', oracle('btrfs', 'mkfs.btrfs'), t => {
  const desk = new Desk(t)
  const mounted = loopMount(t, 'btrfs')
  if (mounted === undefined) return
  const home = join(mounted, 'home')
  run('btrfs', ['subvolume', 'create', home])
  writeFileSync(join(home, 'file'), 'before')
  const docs = readFileSync(new URL('../../../docs/config.md', import.meta.url), 'utf8')
  const [, config] = /^Btrfs:\n\n```js\n(.*?)```/ms.exec(docs)!
  // As in the page, but that the source changes as soon as there is a snapshot.
  const changed = config!
    .replace('before: {', 'before: [{')
    .replace("path: '/home/.ibt' },", "path: '/home/.ibt' }, { shell: 'echo after > /home/file' }],")
  writeFileSync(
    desk.at('ibt.config.mjs'),
    changed.replaceAll('/home', home).replaceAll('/mnt/backups', desk.at('store'))
  )
  for (const content of ['before', 'after\n']) {
    const { status, stderr } = desk.ibt('backup')
    assert.equal(status, 0, stderr)
    assert.equal(desk.ibt('cat', 'home', 'file').stdout, content)
    assert.deepEqual(readdirSync(home), ['file'])
  }
  const { stdout } = desk.ibt('list', 'home')
  assert.match(stdout, /^home .* full .*\nhome .* incremental /)
})
