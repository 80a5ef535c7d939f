import { readFile } from 'node:fs/promises'
import type { AnyAuthMethod, BaseAgent, ParsedKey } from 'ssh2'
import type { HostSettings } from './host-settings.js'
import type { Ssh2 } from './open-connection.js'

/** Secrets that no URL and no option of the command line has. */
export interface Credentials {
  /** Of private keys. Default: `IBT_SSH_PASSPHRASE`. */
  readonly passphrase?: string | undefined
  /** Default: `IBT_SSH_PASSWORD`. */
  readonly password?: string | undefined
}

/** The ways to log in, in their order, and what to say if none succeeds. */
export interface Logins {
  readonly methods: AnyAuthMethod[]
  readonly offered: string[]
  readonly skipped: string[]
}

/** The agent's keys, then those of files, then the password: all that does not need somebody who types. */
export async function findLogins(ssh2: Ssh2, settings: HostSettings, credentials: Credentials): Promise<Logins> {
  const { username, agent, identities } = settings
  const passphrase = credentials.passphrase ?? process.env.IBT_SSH_PASSPHRASE
  const password = credentials.password ?? process.env.IBT_SSH_PASSWORD
  const logins: Logins = { methods: [], offered: [], skipped: [] }
  const { methods, offered, skipped } = logins
  if (agent !== undefined) {
    offered.push(`the agent at ${agent}`)
    methods.push({ type: 'agent', username, agent: await chooseKeys(ssh2, agent, settings) })
  }
  for (const file of identities) {
    const text = await readFile(file).catch(() => undefined)
    if (text === undefined) continue
    const key = ssh2.utils.parseKey(text, passphrase)
    if (key instanceof Error) skipped.push(`${file}: ${whyNot(key)}`)
    else if ([key].flat()[0]!.isPrivateKey()) {
      offered.push(file)
      methods.push({ type: 'publickey', username, key: [key].flat()[0]! as never })
    }
  }
  if (password !== undefined) {
    offered.push('a password')
    methods.push({ type: 'password', username, password })
  }
  return logins
}

function whyNot({ message }: Error): string {
  return /no passphrase/.test(message) ? 'encrypted: use ssh-add, or set IBT_SSH_PASSPHRASE' : message
}

/** The agent with the identities' keys first, or with them alone: servers hear only a few. */
async function chooseKeys(ssh2: Ssh2, path: string, settings: HostSettings): Promise<BaseAgent> {
  const agent = ssh2.createAgent(path)
  const wanted = await publicKeys(ssh2, settings.identities)
  const isWanted = (key: ParsedKey) => wanted.has(key.getPublicSSH().toString('base64'))
  const choose = (keys: readonly ParsedKey[]) => {
    const others = settings.onlyIdentities ? [] : keys.filter(key => !isWanted(key))
    return [...keys.filter(isWanted), ...others]
  }
  const getIdentities: BaseAgent['getIdentities'] = done =>
    agent.getIdentities((error, keys) => done(error, keys && choose(keys as ParsedKey[])))
  return Object.assign(Object.create(agent) as BaseAgent, { getIdentities })
}

async function publicKeys(ssh2: Ssh2, identities: readonly string[]): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  for (const file of identities.flatMap(path => [`${path}.pub`, path])) {
    const text = await readFile(file).catch(() => undefined)
    const key = text && ssh2.utils.parseKey(text)
    if (key && !(key instanceof Error)) keys.add([key].flat()[0]!.getPublicSSH().toString('base64'))
  }
  return keys
}
