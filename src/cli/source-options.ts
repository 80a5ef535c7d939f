import type { Command } from 'commander'
import type { BackupOptions } from '../pipelines/options.js'
import type { CommonValues } from './common-options.js'
import { UsageError } from './exit.js'
import { collect, parseBytes } from './parse-values.js'

/** What of a source is looked at, and how. */
export interface SourceValues extends CommonValues {
  readonly exclude?: readonly string[]
  readonly ignoreFile?: readonly string[]
  readonly excludeIfPresent?: readonly string[]
  readonly excludeCaches?: boolean
  readonly excludeLargerThan?: number
  readonly oneFileSystem?: boolean
  readonly compare?: readonly Fact[]
  readonly checksum?: boolean
}

/** Options of what is left out of a source, and what of it is read. */
export function addSourceOptions(command: Command): Command {
  return command
    .option('--exclude <pattern>', 'exclude entries that match, as in an ignore file; may be repeated', collect)
    .option(
      '--ignore-file <name>',
      'name of ignore files in the source, like .gitignore; may be repeated (default: .exclude)',
      collect
    )
    .option(
      '--exclude-if-present <name>',
      'exclude everything else in directories with an entry of this name; may be repeated',
      collect
    )
    .option('--exclude-caches', 'exclude everything else in directories with a valid CACHEDIR.TAG')
    .option('--exclude-larger-than <size>', 'exclude files that are larger: 500M, 2G', parseBytes)
    .option('--one-file-system', 'do not enter other file systems')
    .option('--compare <facts>', `facts that tell whether a file is read again, of ${FACTS} (default: all)`, parseFacts)
    .option('--checksum', 'read every file, even if no fact differs; bit rot in the source is raised (exit code 3)')
}

/** What is left out of a source, and what of it is read. */
export function toSourceOptions(values: SourceValues): Pick<BackupOptions<object>, 'rules' | 'detection'> {
  return {
    rules: {
      exclude: values.exclude,
      ignoreFiles: values.ignoreFile,
      excludeIfPresent: values.excludeIfPresent,
      excludeCaches: values.excludeCaches,
      excludeLargerThanBytes: values.excludeLargerThan,
      oneFileSystem: values.oneFileSystem
    },
    detection: toDetection(values)
  }
}

const FACTS = ['size', 'mtime', 'ctime', 'inode'] as const
type Fact = (typeof FACTS)[number]

function toDetection({ compare = FACTS, checksum }: SourceValues): BackupOptions<object>['detection'] {
  return { checksum, ...Object.fromEntries(FACTS.map(fact => [fact, compare.includes(fact)])) }
}

function parseFacts(text: string): readonly Fact[] {
  const facts = text.split(',')
  const unknown = facts.find(fact => !FACTS.some(known => known === fact))
  if (unknown !== undefined) throw new UsageError(`'${unknown}' cannot be compared: give some of ${FACTS}`)
  return facts as Fact[]
}
