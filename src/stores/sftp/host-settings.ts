import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir, hostname as localHostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BackupError } from '../../errors.js'

const TIMEOUT_MS = 20_000
const PORT = 22
/** `ssh -G` does not quote paths with spaces. */
const PATHS = / (?=[/~]|none\b|[A-Za-z]:)/
const IDENTITIES: readonly string[] = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** Whom to connect to, as a user names it. */
export interface Address {
  readonly host: string
  readonly port?: number | undefined
  readonly username?: string | undefined
  /** A file in the place of `~/.ssh/config`; false: none. */
  readonly config?: string | false | undefined
}

/** How to connect to a host. */
export interface HostSettings {
  readonly hostname: string
  readonly port: number
  readonly family: 0 | 4 | 6
  readonly username: string
  readonly timeoutMs: number
  /** The name that known hosts have it under. */
  readonly knownAs: string
  /** The first one takes new keys. */
  readonly knownHosts: readonly string[]
  readonly acceptsNew: boolean
  readonly hashesNames: boolean
  readonly identities: readonly string[]
  readonly onlyIdentities: boolean
  /** Socket of the agent. */
  readonly agent: string | undefined
  /** A command whose stdin and stdout are the connection. */
  readonly proxy: readonly [string, ...string[]] | undefined
}

type Values = ReadonlyMap<string, readonly string[]>

/**
 * What `~/.ssh/config` says of a host: `ssh -G` is asked, so that every word of it counts, also Include and Match. Without
 * an `ssh` program and without that file, OpenSSH's defaults.
 *
 * @throws BackupError IBT_STORE_FAILED if there is such a file and nobody to read it, or `ssh` refuses it
 */
export async function readHostSettings(address: Address): Promise<HostSettings> {
  const values = address.config === false ? undefined : await askSsh(address)
  return fromValues(values ?? new Map(), address)
}

async function askSsh({ host, port, username, config }: Address): Promise<Values | undefined> {
  const args = ['-G', '-T', ...fileArgs(config)]
  if (username !== undefined) args.push('-l', username)
  if (port !== undefined) args.push('-p', String(port))
  try {
    return parseValues((await promisify(execFile)('ssh', [...args, '--', host])).stdout)
  } catch (cause) {
    const { code, stderr } = cause as { readonly code?: unknown; readonly stderr?: string }
    if (code !== 'ENOENT') {
      const message = `ssh cannot read its configuration for ${host}: ${(stderr ?? String(cause)).trim()}`
      throw new BackupError('IBT_STORE_FAILED', message, { cause })
    }
    const file = config || join(homedir(), '.ssh', 'config')
    if (!existsSync(file)) return undefined
    const message = `${file} is read by the program ssh, which is not installed: install openssh-client`
    throw new BackupError('IBT_STORE_FAILED', message, { path: file, cause })
  }
}

function fileArgs(config: string | false | undefined): readonly string[] {
  return config ? ['-F', config] : []
}

function parseValues(text: string): Values {
  const values = new Map<string, string[]>()
  for (const line of text.split(/\r?\n/)) {
    const [, key, value] = /^(\w+) (.*)$/.exec(line) ?? []
    if (key === undefined) continue
    const earlier = values.get(key)
    if (earlier === undefined) values.set(key, [value!])
    else earlier.push(value!)
  }
  return values
}

function fromValues(values: Values, address: Address): HostSettings {
  const { home, user } = whoAmI()
  const one = (key: string) => values.get(key)?.[0]
  const hostname = one('hostname') ?? address.host
  const port = Number(one('port') ?? address.port ?? PORT)
  const username = one('user') ?? address.username ?? user
  const tokens = { d: home, h: hostname, l: localHostname(), n: address.host, p: String(port), r: username, u: user }
  const inSsh = (name: string) => join(home, '.ssh', name)
  const filesOf = (key: string, ...defaults: string[]) => one(key)?.split(PATHS).filter(isNamed) ?? defaults
  const strict = one('stricthostkeychecking') ?? 'ask'
  const knownAs = one('hostkeyalias') ?? hostname
  return {
    hostname,
    port,
    family: ({ inet: 4, inet6: 6 } as const)[one('addressfamily') ?? ''] ?? 0,
    username,
    timeoutMs: Number(one('connecttimeout')) * 1000 || TIMEOUT_MS,
    knownAs: (port === PORT || one('hostkeyalias') !== undefined ? knownAs : `[${knownAs}]:${port}`).toLowerCase(),
    knownHosts: [
      ...filesOf('userknownhostsfile', inSsh('known_hosts')),
      ...filesOf('globalknownhostsfile', '/etc/ssh/ssh_known_hosts')
    ],
    acceptsNew: ['accept-new', 'no', 'off', 'false'].includes(strict),
    hashesNames: one('hashknownhosts') === 'yes',
    identities: (values.get('identityfile') ?? IDENTITIES.map(inSsh)).filter(isNamed).map(file => expand(file, tokens)),
    onlyIdentities: one('identitiesonly') === 'yes',
    agent: agentOf(one('identityagent'), tokens),
    proxy: proxyOf(one('proxyjump'), one('proxycommand'), address, tokens)
  }
}

function isNamed(file: string): boolean {
  return file !== 'none' && file !== ''
}

/** As ssh, which does not look at HOME; a container may run as a user without a name. */
function whoAmI(): { readonly home: string; readonly user: string } {
  try {
    const { homedir: home, username: user } = userInfo()
    return { home, user }
  } catch {
    return { home: homedir(), user: process.env.USER ?? '' }
  }
}

function agentOf(named: string | undefined, tokens: Tokens): string | undefined {
  if (named === 'none') return undefined
  if (named === undefined || named === 'SSH_AUTH_SOCK') return process.env.SSH_AUTH_SOCK || undefined
  return expand(named.replace(/^\$(\w+)$/, `\${$1}`), tokens)
}

/** A jump is a connection of its own that `ssh` makes, as it does for itself. It never asks: nobody may be there. */
function proxyOf(
  jump: string | undefined,
  command: string | undefined,
  { config }: Address,
  tokens: Tokens
): HostSettings['proxy'] {
  if (jump !== undefined && jump !== 'none') {
    const hops = jump.split(',').map(hop => (hop.startsWith('ssh://') ? hop : `ssh://${hop}`))
    const last = hops.pop()!
    const through = hops.length === 0 ? [] : ['-J', hops.join(',')]
    const target = `[${tokens.h}]:${tokens.p}`
    return ['ssh', ...fileArgs(config), '-o', 'BatchMode=yes', ...through, '-W', target, '--', last]
  }
  if (command === undefined || command === 'none') return undefined
  return ['sh', '-c', `exec ${expand(command, tokens)}`]
}

type Tokens = Readonly<Record<'d' | 'h' | 'l' | 'n' | 'p' | 'r' | 'u', string>>

/** `~`, `%h` and `${NAME}`. Source: ssh_config(5), TOKENS. */
function expand(text: string, tokens: Tokens): string {
  return text
    .replace(/^~(?=\/|$)/, tokens.d)
    .replace(/\$\{(\w+)\}/g, (_, name) => process.env[name] ?? '')
    .replace(/%([%dhlnpru])/g, (_, token) => (token === '%' ? '%' : tokens[token as keyof Tokens]))
}
