import { readFileSync } from 'node:fs'
import Module, { createRequire, register } from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BackupError } from '../errors.js'
import { packageRoot } from '../native/load-addon.js'
import { type ConfigOptions, checkConfig } from './check-config.js'
import type { LoadedConfig } from './config.js'
import { checkOwner } from './find-config.js'

const PACKAGE = 'incremental-backups-tools'

/**
 * Reads and checks a config: a module's default export, or JSON.
 *
 * @throws BackupError IBT_CONFIG_INVALID, IBT_CONFIG_UNSAFE
 */
export async function loadConfig(path: string, options: ConfigOptions = {}): Promise<LoadedConfig> {
  const file = resolve(path)
  checkOwner(file)
  return checkConfig(extname(file) === '.json' ? readJson(file) : await importConfig(file), file, options)
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new BackupError('IBT_CONFIG_INVALID', `The config ${file} is not JSON`, { path: file, cause })
  }
}

async function importConfig(file: string): Promise<unknown> {
  checkTypeScript(file)
  offerPackage(file)
  let module: Readonly<Record<string, unknown>>
  try {
    module = await import(pathToFileURL(file).href)
  } catch (cause) {
    throw new BackupError('IBT_CONFIG_INVALID', `The config ${placeIn(file, cause)} cannot be loaded`, {
      path: file,
      cause
    })
  }
  if ('default' in module) return module.default
  throw new BackupError('IBT_CONFIG_INVALID', `The config ${file} has no default export`, { path: file })
}

/** Node runs TypeScript by itself from 22.18 and 23.6 on. */
function checkTypeScript(file: string): void {
  const { typescript } = process.features as { readonly typescript?: unknown }
  if (!/\.[cm]?ts$/.test(file) || typescript) return
  const message = `Node ${process.version} does not run TypeScript, and ${file} is some: use Node 22.18 or later, or ibt.config.mjs`
  throw new BackupError('IBT_CONFIG_INVALID', message, { path: file })
}

/** With the line, where the error says one. */
function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const at = stack.indexOf(`${pathToFileURL(file).href}:`)
  const line = at < 0 ? undefined : /:(\d+)/.exec(stack.slice(at + pathToFileURL(file).href.length))?.[1]
  return line === undefined ? file : `${file}:${line}`
}

/** A config beside which this package is not installed gets the one that runs. */
function offerPackage(file: string): void {
  try {
    createRequire(file).resolve(PACKAGE)
  } catch {
    const parentURL = new URL('package.json', packageRoot).href
    // Node 20 has only hooks that run in a thread of their own; later ones deprecate them.
    const { registerHooks } = Module as { readonly registerHooks?: (hooks: { readonly resolve: typeof ask }) => void }
    const ask = (name: string, context: object, next: (name: string, context: object) => object) =>
      next(name, isOwn(name) ? { ...context, parentURL } : context)
    if (registerHooks !== undefined) registerHooks({ resolve: ask })
    else register(`data:text/javascript,${encodeURIComponent(threadHook(parentURL))}`)
  }
}

function isOwn(name: string): boolean {
  return name === PACKAGE || name.startsWith(`${PACKAGE}/`)
}

function threadHook(parentURL: string): string {
  const [own, parent] = [PACKAGE, parentURL].map(text => JSON.stringify(text))
  return `export const resolve = (name, context, next) =>
    next(name, name === ${own} || name.startsWith(${own} + '/') ? { ...context, parentURL: ${parent} } : context)`
}
