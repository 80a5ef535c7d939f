import { BackupError } from '../errors.js'
import { checkKey, parseArtifactName } from '../format/names.js'

/** What a receiver has of one artifact. */
export interface ArrivedArtifact {
  readonly name: string
  readonly sizeBytes: number
  /** Whole volumes, from the first on, that wait for the rest. Undefined: it has the artifact. */
  readonly volumes?: number | undefined
}

/** What a receiver has of the backups of a key: the sender leaves it out, and goes on behind it. */
export interface Arrived {
  readonly key: string
  readonly artifacts: readonly ArrivedArtifact[]
}

const FORMAT = 'incremental-backups-tools arrived'
const VERSION = 1

/** One line of JSON, without a line feed. */
export function encodeArrived({ key, artifacts }: Arrived): string {
  return JSON.stringify({ format: FORMAT, version: VERSION, key, artifacts })
}

/** Reads what `encodeArrived` writes. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_STATE_VERSION, IBT_NAME_INVALID */
export function decodeArrived(text: string): Arrived {
  const { format, version, key, artifacts } = parse(text)
  if (format !== FORMAT || typeof key !== 'string' || !Array.isArray(artifacts)) throw corrupt()
  if (version !== VERSION) {
    const message = `The list of what has arrived has version ${version}; this version reads ${VERSION}`
    throw new BackupError('IBT_STATE_VERSION', message)
  }
  checkKey(key)
  return { key, artifacts: artifacts.map(artifact => toArtifact(key, artifact)) }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch {
    // It is as wrong as a value of another type.
  }
  throw corrupt()
}

function toArtifact(key: string, value: unknown): ArrivedArtifact {
  const { name, sizeBytes, volumes } = Object(value) as Readonly<Record<string, unknown>>
  if (typeof name !== 'string' || parseArtifactName(name)?.key !== key) throw corrupt()
  if (!isCount(sizeBytes) || (volumes !== undefined && !(isCount(volumes) && volumes > 0))) throw corrupt()
  return { name, sizeBytes, ...(volumes !== undefined && { volumes }) }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function corrupt(): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', 'This is not what a receiver says of what has arrived')
}
