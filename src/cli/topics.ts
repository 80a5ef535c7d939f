import { IGNORE_FILE } from '../constants.js'

/** What a pattern leaves out, and what not: the help shows it, and a test holds it to it. */
export const PATTERNS: readonly { readonly pattern: string; readonly leavesOut: string; readonly keeps: string }[] = [
  { pattern: '*.o', leavesOut: 'a/b.o', keeps: 'b.O' },
  { pattern: 'tmp', leavesOut: 'a/tmp/x', keeps: 'tmp2' },
  { pattern: 'tmp/', leavesOut: 'a/tmp/x', keeps: 'a/tmp' },
  { pattern: '/tmp', leavesOut: 'tmp/x', keeps: 'a/tmp' },
  { pattern: 'a/*.c', leavesOut: 'a/x.c', keeps: 'a/b/x.c' },
  { pattern: 'a/**/x', leavesOut: 'a/b/c/x', keeps: 'b/x' },
  { pattern: 'a?[0-9]', leavesOut: 'ab7', keeps: 'a7' },
  { pattern: '\\!x', leavesOut: '!x', keeps: 'x' }
]

const PATTERN_ROWS = PATTERNS.map(
  ({ pattern, leavesOut, keeps }) =>
    `  ${pattern.padEnd(11)}${leavesOut.padEnd(13)}${keeps}${pattern.endsWith('/') ? ', a file' : ''}`
).join('\n')

/** Pages that are about no single command. Lines of at most 80 columns. */
export const TOPICS: Readonly<Record<string, { readonly summary: string; readonly text?: string }>> = {
  dates: {
    summary: 'what --at, --from and --to take',
    text: `A backup is named by the time at which it began, in UTC:

  20261123T045748.792Z   the newest backup made at or before that time
  2026-11-23             ISO; the newest up to that day's first moment, UTC
  2026-11-23T12:00       local time; with Z or +01:00 at its end, as it says
  '3 days ago'           words, in English: yesterday, last friday at 18:00
  latest                 the newest

'ibt list' shows what there is.`
  },
  environment: {
    summary: 'variables that are looked at',
    text: `IBT_STORE            where backups are, without --store
IBT_CACHE            where local copies are, without --cache
XDG_CACHE_HOME       the default cache is incremental-backups-tools in it,
                     or in ~/.cache
TMPDIR, TMP          backups go there with --temporary
IBT_ADDON            the native addon, if not the one that was installed
IBT_POISON           1: for tests, memory that was given back is overwritten
IBT_SIMD             portable, avx2, avx512, neon: no wider vector instructions
UV_THREADPOOL_SIZE   threads of Node's own pool (default: cores + 2,
                     at least 4)`
  },
  errors: {
    summary: 'every error code; ibt help IBT_LOCKED tells of one'
  },
  'exit-codes': {
    summary: 'what scripts can rely on',
    text: `  0   done
  1   failed
  2   usage: something was typed wrong
  3   done, but some entries could not be read or written, or changed while
      they were read
  4   integrity: what is stored is not what was stored
  5   refused: locked, another source under this key, an unknown version,
      a source that is all but empty, a clock that is off, a destination that
      is not empty
129   cancelled (SIGHUP: its terminal is gone)
130   cancelled (SIGINT)
143   cancelled (SIGTERM)

A run that did not come to its end never exits with 0. One that did does not
fail because nobody reads its output, or because that is full. The last line of
--json has the exit code: docs/errors.md.`
  },
  formats: {
    summary: 'what is stored, and how plain tools read it',
    text: `A backup is a few files in the store, KEY.KIND.DATE.tar.zst or .json.zst:

  full       tar of everything          (a full)
  created    tar of new files           (an incremental)
  updated    tar of librsync deltas     (an incremental)
  sigvault   tar of librsync signatures, for the next deltas
  state      JSON: every entry, and where its content is

  zstd -dc KEY.full.DATE.tar.zst | tar -xf -
  zstd -dc KEY.state.DATE.json.zst | jq .entries[].path

docs/format.md of the package says everything; docs/restore-by-hand.md has a
script that restores any date with tar, jq and rdiff.`
  },
  patterns: {
    summary: 'what --exclude, ignore files and --path take',
    text: `Patterns are gitignore(5)'s, one a line in ignore files (${IGNORE_FILE}, or those
of --ignore-file), one each in --exclude. Case matters.

  pattern    leaves out   but not
${PATTERN_ROWS}

The last pattern that matches decides; '!' in front takes back. Nothing below
a directory that is left out comes back: it is never looked at. A deeper ignore
file is stronger than one above it, and --exclude is stronger than both.

On the command line, an absolute path in the source and a path that begins with
'./' are understood: both are anchored at the source. A path that is plainly
outside the source is refused.

A directory with an entry of --exclude-if-present, or with a CACHEDIR.TAG and
--exclude-caches, is kept with that entry alone.

--files-from names what is backed up, and no patterns: paths below the source,
one a line as find prints them, or with -0 one before each NUL. A directory
stands for all in it. What is left out stays so. What is not there is reported,
and the run ends with 3. A list without any name is refused:

  cd ~/photos && find . -name '*.raw' -print0 | ibt backup . --files-from - -0

--path of a restore takes the same patterns, and selects what they match with
all that lies below; '!' takes out of it. A plain path is itself.`
  }
}
