// A temporary directory to install and run things in, with an environment that has nothing of this one's npm.
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { root } from '../platforms.mjs'

const LIMIT_MS = 300_000
/** Of the programs that a project has, those that need no bundler. */
const PROGRAMS = ['program.mjs', 'common.cjs', 'worker.mjs']

export class Desk {
  path = mkdtempSync(join(tmpdir(), 'ibt smoke '))
  failures = 0
  #env = {
    ...Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^(npm_|yarn_|pnpm_|bun_|xdg_|IBT_|NODE_OPTIONS|NODE_PATH|INIT_CWD)/i.test(name)
      )
    ),
    HOME: join(this.path, 'home'),
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    // Yarn 1 of root has its cache elsewhere, with the binary of the last time under the same version.
    YARN_CACHE_FOLDER: join(this.path, 'home/yarn-cache'),
    YARN_ENABLE_TELEMETRY: '0',
    CI: '1'
  }

  constructor() {
    mkdirSync(this.at('home'))
  }

  at(...parts) {
    return join(this.path, ...parts)
  }

  remove() {
    rmSync(this.path, { recursive: true, force: true })
  }

  /** Programs that are found before others. */
  addPath(directory) {
    this.#env.PATH = [directory, this.#env.PATH].join(delimiter)
  }

  /** Runs a program to its end. Resolves to what it wrote. @throws Error with all of that if it fails */
  async run(command, args, { cwd = this.path, env = {}, expected = 0 } = {}) {
    const options = { cwd, env: { ...this.#env, ...env }, encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: 64 << 20 }
    const [code, output] = await new Promise(resolve => {
      execFile(command, args, options, (error, stdout, stderr) =>
        resolve([error === null ? 0 : (error.code ?? error.signal), stdout + stderr])
      )
    })
    if (code === expected) return output
    throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output}`)
  }

  async attempt(title, work) {
    const start = Date.now()
    try {
      await work()
      console.log(`ok      ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`)
    } catch (error) {
      this.failures++
      console.log(`FAILED  ${title}\n${error.message.trim().replace(/^/gm, '        ')}`)
    }
  }

  makeProject(name, manifest = {}) {
    const project = this.at(name)
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'smoke', private: true, ...manifest }))
    cpSync(join(root, 'scripts/smoke/program.mjs'), join(project, 'program.mjs'))
    writeFileSync(join(project, 'common.cjs'), "require('incremental-backups-tools/stages')\nimport('./program.mjs')\n")
    const worker =
      "import { Worker } from 'node:worker_threads'\nnew Worker(new URL('./program.mjs', import.meta.url))\n"
    writeFileSync(join(project, 'worker.mjs'), worker)
    return project
  }

  /** A backup and a restore by the command line; the command comes with the arguments before its own. */
  async useCommand([command, ...before], cwd = this.path, env = {}) {
    const work = mkdtempSync(this.at('command '))
    mkdirSync(join(work, 'src'))
    writeFileSync(join(work, 'src/file'), 'content')
    const options = { cwd, env: { ...env, IBT_STORE: join(work, 'store'), IBT_CACHE: join(work, 'cache') } }
    await this.run(command, [...before, 'backup', join(work, 'src')], options)
    await this.run(command, [...before, 'restore', 'src', join(work, 'restored')], options)
    if (readFileSync(join(work, 'restored/file'), 'utf8') !== 'content') throw new Error('What was restored differs')
  }

  /** Runs programs of a project; the command comes with the arguments before the program's name. */
  async usePrograms([command, ...before], cwd, names = PROGRAMS) {
    for (const name of names) {
      const output = await this.run(command, [...before, name], { cwd, env: { SMOKE_PLACE: this.path } })
      if (!output.includes('restored')) throw new Error(`${name} did not restore\n${output}`)
    }
  }
}
