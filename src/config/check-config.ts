import { homedir } from 'node:os'
import { dirname, join, parse, relative, resolve } from 'node:path'
import type { ChangeDetection } from '../change/compare.js'
import { isCipher, parseCodec, withCodec } from '../codec/index.js'
import { BackupError } from '../errors.js'
import { checkKey } from '../format/names.js'
import { type SeveralOptions, severalStores } from '../places/several-stores.js'
import { checkLimits } from '../plan/level.js'
import { parseDuration } from '../retention/duration.js'
import { hasRules, parseRules } from '../retention/rules.js'
import { createRules, type RulesOptions } from '../rules.js'
import type { Cipher, Store } from '../types.js'
import type { Config, LoadedConfig, NamedSource, RetentionConfig, SourceConfig } from './config.js'
import { type HookCommand, type HooksConfig, isArgv, listHooks } from './hook.js'
import { nearest } from './nearest.js'

/** What a field has to be. */
interface Kind {
  readonly is: (value: unknown) => boolean
  readonly what: string
}

/** The fields of an object: the compiler holds each list to the type. */
type Fields<T> = Readonly<Record<keyof T, Kind>>

const isText = (value: unknown) => typeof value === 'string' && value !== ''
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
const isTexts = (value: unknown) => Array.isArray(value) && value.every(item => typeof item === 'string')

const text: Kind = { is: isText, what: 'text' }
const texts: Kind = { is: isTexts, what: 'a list of texts' }
const flag: Kind = { is: value => typeof value === 'boolean', what: 'true or false' }
const number: Kind = { is: value => typeof value === 'number', what: 'a number' }
const object: Kind = { is: isObject, what: 'an object' }
const call: Kind = { is: value => typeof value === 'function', what: 'a function' }
const count: Kind = { is: value => typeof value === 'number' || isText(value), what: 'a number, or a time such as 10d' }
const counts: Kind = { is: value => count.is(value) || Array.isArray(value), what: `${count.what}, or a list of them` }
const isStore = (value: unknown) => isText(value) || isObject(value)
const store: Kind = { is: isStore, what: 'a path, a URL or a store' }
const stores: Kind = {
  is: value => isStore(value) || (Array.isArray(value) && value.length > 0 && value.every(isStore)),
  what: `${store.what}, or a list of them`
}
const cache: Kind = { is: value => store.is(value) || value === false, what: 'a path, a store or false' }
const codec: Kind = { is: value => isText(value) || isObject(value), what: 'a codec or its name' }
const cipher: Kind = {
  is: value => isObject(value) && isCipher(value as Cipher),
  what: 'a cipher, such as age({ recipients })'
}
const key: Kind = { is: value => isText(value) || isObject(value), what: 'a key, or its text (PEM)' }
const list: Kind = { is: Array.isArray, what: 'a list' }
const stages: Kind = { is: value => isObject(value) || call.is(value), what: 'a record of stages, or a function' }
const isHook = (value: unknown) => call.is(value) || isArgv(value) || isObject(value)
const hooks: Kind = {
  is: value => isHook(value) || (Array.isArray(value) && value.length > 0 && value.every(isHook)),
  what: 'a function, a program with its arguments, { command } or { shell }, or a list of these'
}

const CONFIG: Fields<Config> = {
  ...{
    store: stores,
    quorum: number,
    opaqueNames: text,
    cache,
    codecs: list,
    sources: object,
    retention: object,
    hooks: object
  }
}

const SOURCE: Fields<SourceConfig> = {
  ...{
    path: text,
    paths: texts,
    key: text,
    store: stores,
    quorum: number,
    opaqueNames: text,
    cache,
    codec,
    codecs: list,
    rules: object,
    detection: object
  },
  ...{ sourceId: text, allowSourceMismatch: flag, allowShrink: flag, skipUnchanged: flag, lockWaitMs: number },
  ...{ deleteOldSigvaults: flag, maxChain: number, maxRestoreRatio: number, merge: flag, stages, changedBlocks: call },
  ...{ encrypt: cipher, localState: store, signKey: key, verifyKeys: list, retention: object, hooks: object }
}

const RULES: Fields<RulesOptions> = {
  ...{ ignoreFiles: texts, exclude: texts, files: texts, onMissing: call, excludeIfPresent: texts },
  ...{ excludeCaches: flag, excludeLargerThanBytes: number, oneFileSystem: flag, excludePaths: texts }
}

const DETECTION: Fields<ChangeDetection> = { size: flag, mtime: flag, ctime: flag, inode: flag, checksum: flag }

const RETENTION: Fields<RetentionConfig> = {
  ...{ keep: counts, keepLast: count, keepWithin: text, keepHourly: count, keepDaily: count, keepWeekly: count },
  ...{ keepMonthly: count, keep13Weekly: count, keep3Monthly: count, keepYearly: count, keepFull: count },
  ...{ timeZone: text, grace: text, merge: flag, keepSigvaults: flag }
}

const HOOKS: Fields<HooksConfig> = { before: hooks, after: hooks, onSuccess: hooks, onFailure: hooks }

const COMMAND: Fields<HookCommand> = { command: list, shell: text, path: text, env: object, timeoutMs: number }

/** What a loaded config does beside. */
export interface ConfigOptions {
  /** Told what one of several stores has missed while the others went on. */
  readonly onBehind?: SeveralOptions['onBehind']
}

/**
 * Checks what a config has exported, and fills in its defaults. Relative paths are those of the config's directory.
 *
 * @throws BackupError IBT_CONFIG_INVALID, which names the file and the field
 */
export function checkConfig(value: unknown, file: string, options: ConfigOptions = {}): LoadedConfig {
  const check = new Check(file, options)
  const config = check.object<Config>('', value, CONFIG)
  const { codecs, retention } = config
  check.retention('retention', retention)
  const common = {
    ...{ ...check.store('', config), cache: check.place(config.cache), codecs, retention },
    hooks: check.hooks('hooks', config.hooks)
  }
  const names = Object.keys(config.sources ?? {})
  const sources = names.map(name => check.source(name, config.sources![name], common))
  sources.forEach((source, i) => {
    const other = sources.slice(0, i).find(({ key }) => key.toLowerCase() === source.key.toLowerCase())
    if (other !== undefined) check.fail(`sources.${source.name}`, `has the key ${source.key}, as ${other.name} has`)
  })
  return { file, sources, ...common }
}

/** Checks values of one file. */
class Check {
  readonly #directory: string

  constructor(
    readonly file: string,
    readonly options: ConfigOptions
  ) {
    this.#directory = dirname(file)
  }

  /** @throws BackupError */
  fail(field: string, problem: string, cause?: unknown): never {
    const where = field === '' ? this.file : `${this.file}: ${field}`
    throw new BackupError('IBT_CONFIG_INVALID', `${where} ${problem}`, { path: this.file, cause })
  }

  /** An object with known fields, each of its kind. */
  object<T>(field: string, value: unknown, fields: Fields<T>): T {
    if (!isObject(value)) this.fail(field, `has to be an object${field === '' ? ', as its default export' : ''}`)
    for (const [name, item] of Object.entries(value as object)) {
      const full = field === '' ? name : `${field}.${name}`
      const kind = Object.hasOwn(fields, name) ? fields[name as keyof T] : undefined
      if (kind === undefined) this.#unknown(full, name, Object.keys(fields))
      if (item !== undefined && !kind.is(item)) this.fail(full, `has to be ${kind.what}`)
    }
    return value as T
  }

  #unknown(field: string, name: string, names: readonly string[]): never {
    if (field === name && Object.hasOwn(SOURCE, name)) this.fail(field, 'is a field of a source, not of the config')
    const meant = nearest(name, names)
    this.fail(
      field,
      meant === undefined ? `is not known: the fields are ${names.join(', ')}` : `is not known: ${meant}?`
    )
  }

  source(name: string, value: unknown, common: Omit<LoadedConfig, 'file' | 'sources'>): NamedSource {
    const field = `sources.${name}`
    const { path, paths, hooks, retention, codec, rules, store, quorum, opaqueNames, ...rest } =
      this.object<SourceConfig>(field, value, SOURCE)
    const { key = name, cache, codecs = common.codecs, encrypt, signKey, verifyKeys } = rest
    const localState = this.place(rest.localState)
    this.#try(field, () => checkKey(key))
    this.#try(field, () => checkLimits(rest))
    if (rest.detection !== undefined) this.object(`${field}.detection`, rest.detection, DETECTION)
    this.#rules(`${field}.rules`, rules)
    this.retention(`${field}.retention`, retention)
    return {
      ...{ name, key },
      ...this.#root(field, { path, paths, rules }),
      options: {
        ...rest,
        ...this.#files(field, { path, paths, rules }),
        localState,
        codec: typeof codec === 'string' ? this.#try(`${field}.codec`, () => parseCodec(codec)) : codec
      },
      ...(store === undefined && quorum === undefined && opaqueNames === undefined
        ? { store: common.store, opaqueNames: common.opaqueNames }
        : this.store(`${field}.`, { store, quorum, opaqueNames })),
      cache: this.place(cache) ?? common.cache,
      codecs: encrypt === undefined ? codecs : withCodec(codecs ?? [], encrypt),
      ...{ encrypt, localState, signKey, verifyKeys },
      retention: retention ?? common.retention,
      hooks: this.hooks(`${field}.hooks`, hooks)
    }
  }

  /** Several paths are a selection of the root directory: so the recorded root stays when one is added. */
  #root(field: string, { path, paths }: Pick<SourceConfig, 'path' | 'paths' | 'rules'>): { readonly root: string } {
    if ((path === undefined) === (paths === undefined)) this.fail(field, 'has to have either path or paths')
    if (path !== undefined) return { root: this.path(path) }
    if (paths!.length === 0) this.fail(`${field}.paths`, 'is empty')
    return { root: parse(this.#directory).root }
  }

  #files(field: string, { paths, rules }: Pick<SourceConfig, 'path' | 'paths' | 'rules'>) {
    if (paths === undefined) return { rules }
    if (rules?.files !== undefined) this.fail(`${field}.rules.files`, 'does not go with paths')
    const { root } = parse(this.#directory)
    return { rules: { ...rules, files: paths.map(path => relative(root, this.path(path)) || '.') } }
  }

  #rules(field: string, rules: unknown): void {
    if (rules === undefined) return
    const checked = this.object<RulesOptions>(field, rules, RULES)
    this.#try(field, () => createRules(checked))
  }

  retention(field: string, value: unknown): void {
    if (value === undefined) return
    const retention = this.object<RetentionConfig>(field, value, RETENTION)
    if (!hasRules(retention)) this.fail(field, 'keeps nothing: give keepDaily, keepLast or another rule')
    this.#try(field, () => parseRules(retention))
    const { grace } = retention
    if (grace !== undefined && grace !== '0' && parseDuration(grace) === undefined) {
      this.fail(`${field}.grace`, 'has to be a time: 7d, 36h, 2w or 0')
    }
  }

  hooks(field: string, value: unknown): HooksConfig {
    const found = this.object<HooksConfig>(field, value ?? {}, HOOKS)
    for (const [event, hooks] of Object.entries(found)) {
      for (const hook of listHooks(hooks)) {
        if (typeof hook === 'function' || isArgv(hook)) continue
        const where = `${field}.${event}`
        const { command, shell, timeoutMs = 1 } = this.object<HookCommand>(where, hook, COMMAND)
        if ((command === undefined) === (shell === undefined)) this.fail(where, 'has to have either command or shell')
        if (command !== undefined && !isArgv(command)) this.fail(`${where}.command`, 'has to be a list of texts')
        if (!(timeoutMs > 0)) this.fail(`${where}.timeoutMs`, 'has to be more than 0')
      }
    }
    return found
  }

  /** A store, or several as one, and the file with the secret of its names. */
  store(field: string, { store, quorum, opaqueNames }: Pick<Config, 'store' | 'quorum' | 'opaqueNames'>) {
    if (opaqueNames !== undefined && store === undefined)
      this.fail(`${field}opaqueNames`, 'is for a store that the config names beside it')
    const isOne = !Array.isArray(store)
    if (quorum !== undefined && isOne) this.fail(`${field}quorum`, 'is for a list of stores beside it')
    const { onBehind } = this.options
    const place = isOne
      ? this.place(store as Store | string | undefined)
      : this.#try(`${field}quorum`, () =>
          severalStores(
            store.map(one => this.place(one)),
            { quorum, onBehind }
          )
        )
    return { store: place, opaqueNames: opaqueNames && this.path(opaqueNames) }
  }

  /** A path in the config's directory; what is no path stays as it is. */
  place<T>(place: T): T | string {
    return typeof place === 'string' && !/^[a-z][a-z0-9+.-]*:/i.test(place) ? this.path(place) : place
  }

  path(path: string): string {
    return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(this.#directory, path)
  }

  /** A value that is wrong by itself: its error says what is. */
  #try<T>(field: string, read: () => T): T {
    try {
      return read()
    } catch (cause) {
      this.fail(field, `is wrong: ${(cause as Error).message}`)
    }
  }
}
