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
  bundles: {
    summary: 'backups as one stream: on a pipe, a socket, a tape',
    text: `A bundle is one plain tar with all that a backup needs. It goes through a pipe:

  ibt backup ~/photos --out - | ssh host ibt import - --store /srv/backups
  ibt export photos --all > photos.tar

'ibt backup --out -' stores nothing here. The next incremental builds on the
last backup that was sent: the cache remembers its state and signatures (with
--no-cache, every run is a full). With --store it builds on the newest backup of
that store, which is only read. If the receiver has lost a backup, it refuses
the next incremental: send 'ibt full --out -'. Use 'set -o pipefail'.

If 'ibt export' was cut off, it goes on where it ended:

  ssh host ibt import --resume-info --key photos --store /srv/backups > have
  ibt export photos --resume have | ssh host ibt import - --store /srv/backups

Without ibt, any tar unpacks a bundle. Long artifacts are in volumes, which cat
joins:

  tar -xf photos.tar
  cat photos.full.DATE.v?????.tar.zst > photos.full.DATE.tar.zst`
  },
  config: {
    summary: 'a file with sources, stores, retention and hooks',
    text: `ibt.config.ts, .mjs, .js or .json, in the working directory or above it, or the
file of --config:

  export default {
    store: '/mnt/backups',
    retention: { keepDaily: 7, keepMonthly: 12 },
    sources: {
      photos: { path: '~/photos', rules: { exclude: ['*.tmp'] } },
      server: { path: '/srv', hooks: { onFailure: ['notify', 'root'] } }
    }
  }

  ibt backup             every source
  ibt backup photos      one of them; ./photos is the directory
  ibt prune              what the retention of each source says
  ibt restore photos X   from the store of the source with this key

An option is stronger than the environment, and the environment is stronger than
the config. The exit code of several sources is the worst one: 4, then 1, 2, 5,
3 and 0. A config is code: one that another user can write is refused.
docs/config.md describes every field and the hooks.`
  },
  dates: {
    summary: 'the values of --at, --from and --to',
    text: `A backup is named by the time at which it began, in UTC:

  20261123T045748.792Z   the newest backup made at or before that time
  2026-11-23             ISO; midnight at the start of that day, UTC
  2026-11-23T12:00       local time; UTC with Z, another zone with +01:00
  '3 days ago'           words, in English: yesterday, last friday at 18:00
  latest                 the newest

'ibt list' shows the dates of all backups.`
  },
  environment: {
    summary: 'variables that ibt reads',
    text: `IBT_STORE            directory or URL of the backups, if there is no --store
IBT_CACHE            directory of the cache, if --cache is not given
XDG_CACHE_HOME       the default cache is incremental-backups-tools in it,
                     or in ~/.cache
AWS_REGION           region of s3: stores; AWS_PROFILE, AWS_ACCESS_KEY_ID and
                     the like count, too: the AWS SDK reads them
IBT_IDENTITY         file with the key of encrypted backups, without --identity
IBT_PASSPHRASE_FILE  file with the passphrase of encrypted backups, without
                     --passphrase-file
IBT_OPAQUE_NAMES_FILE  file with the secret of names, without --opaque-names
IBT_SERVE_TOKEN      token that ibt serve asks for
IBT_HTTP_TOKEN       bearer token for stores of web servers
NETRC                file with passwords for web servers, instead of ~/.netrc
IBT_SSH_PASSPHRASE   passphrase of the private keys for sftp: stores
IBT_SSH_PASSWORD     password for sftp: stores
SSH_AUTH_SOCK, USER  agent and user for sftp: stores, if ~/.ssh/config names
                     none
TMPDIR, TMP          directory of the backups with --temporary
IBT_COMPLETION_MS    how long the shell's completion may search, 900 if not set
IBT_SIGN_KEY         file of the private key, if there is no --sign-key
IBT_SIGN_PASSPHRASE  passphrase of the private key
IBT_VERIFY_KEY       file of the public key, if there is no --verify-key
IBT_ADDON            file of the native addon, instead of the installed one
IBT_POISON           1: for tests, memory that was given back is overwritten
IBT_SIMD             portable, avx2, avx512, neon: no wider vector instructions
UV_THREADPOOL_SIZE   threads of Node's own pool (default: cores + 2,
                     at least 4)`
  },
  errors: {
    summary: 'every error code; ibt help IBT_LOCKED explains one'
  },
  'exit-codes': {
    summary: 'exit codes, for scripts',
    text: `  0   done
  1   failed
  2   usage: an argument is wrong or missing
  3   done, but some entries could not be read or written, changed while they
      were read, or are suspected of bit rot; or a hook behind it has failed
  4   integrity: stored bytes are damaged or missing
  5   refused: locked, another source under this key, an unknown version,
      a source that is all but empty, a clock that is off, a destination that
      is not empty
  6   done: 'ibt compare' has found differences
129   cancelled (SIGHUP: its terminal is gone)
130   cancelled (SIGINT)
143   cancelled (SIGTERM)

An unfinished run never exits with 0. A finished run does not fail because
nobody reads its output or because a disk for it is full. The last line of
--json has the exit code: docs/errors.md.`
  },
  formats: {
    summary: 'the files in a store, and how plain tools read them',
    text: `A backup is a few files in the store, KEY.KIND.DATE.tar.zst or .json.zst:

  full       tar of everything          (a full)
  created    tar of new files           (an incremental)
  updated    tar of librsync deltas     (an incremental)
  sigvault   tar of librsync signatures, for the next deltas
  state      JSON: every entry, and where its content is

  zstd -dc KEY.full.DATE.tar.zst | tar -xf -
  zstd -dc KEY.state.DATE.json.zst | jq .entries[].path

docs/format.md of the package describes every field; docs/restore-by-hand.md has
a script that restores any date with tar, jq and rdiff.`
  },
  metrics: {
    summary: 'the outcome of runs for Prometheus',
    text: `--metrics FILE writes what a run came to in the text form of Prometheus. Let the
node exporter read it: give a name that ends in .prom, in the directory of its
textfile collector. Each line has the labels operation and key:

  ibt_run_exit_code{operation="backup",key="photos"} 0
  ibt_run_success_time_seconds{operation="backup",key="photos"} 1795790000.1

A run replaces the lines of its own operation and key and leaves the others.
So commands that run one after the other can share a file. A run that fails
leaves the time of the last success, also if a hook in front of it has failed:
alert on the age of that time. A file that cannot be written is reported, and
does not change the exit code.`
  },
  signing: {
    summary: 'how a store is kept from altering backups',
    text: `Make a key, and give its public half to whoever restores:

  openssl genpkey -algorithm ed25519 -out sign.pem
  openssl pkey -in sign.pem -pubout -out verify.pem
  ibt backup ~/photos --store URL --sign-key sign.pem
  ibt restore photos /tmp/photos --store URL --verify-key verify.pem

The key signs a list of all states and sigvaults with their digests. The list
is KEY.manifest.DATE.json in the store. A state has the digest of every file.
With --verify-key, a state that is altered, missing or not signed is refused
(exit code 4). So is a store that was set back to an earlier time, on a machine
whose cache has seen the later one.

Give --sign-key (or IBT_SIGN_KEY) to every command that changes which backups
there are: backup, merge, prune, undelete, import, receive, copy, erase.
'ibt sign' signs what is there already. IBT_SIGN_PASSPHRASE decrypts the private
key. Where backups are signed, a change without the key is refused (exit code
5). --unsigned allows the change: run 'ibt sign' afterwards. 'ibt copy' needs no
key if the other store gets all backups: it takes the signed list along.`
  },
  'opaque-names': {
    summary: 'names in the store that say nothing',
    text: `Names in a store tell keys and dates to whoever has it. --opaque-names FILE
encrypts them with the secret in a file of at least 16 bytes:

  openssl rand -base64 32 > names.txt
  ibt backup ~/photos --store URL --opaque-names names.txt
  ibt list --store URL --opaque-names names.txt

What stays visible is how many files there are, how large, and when they came.
Contents are not encrypted: that is --encrypt. Give the option to every command,
or set IBT_OPAQUE_NAMES_FILE, or 'opaqueNames' beside 'store' in the config. If
it is missing, wrong, or given for a store with plain names, nothing is stored
(exit code 5). Without the secret nobody finds a backup again. 'ibt copy' writes
plain names, if there is no --to-opaque-names: so the secret can be changed.`
  },
  patterns: {
    summary: 'patterns of --exclude, ignore files and --path',
    text: `Patterns are those of gitignore(5): one a line in ignore files (${IGNORE_FILE}, or
the names of --ignore-file), one in each --exclude. Case matters.

  pattern    excludes     but not
${PATTERN_ROWS}

The last pattern that matches decides; '!' in front includes again. Nothing
below an excluded directory can be included again, because the directory is
never read. A deeper ignore file overrides one above it, and --exclude overrides
both.

On the command line, an absolute path inside the source and a path that begins
with './' are anchored at the source. A path outside the source is refused.

Of a directory with an entry named by --exclude-if-present, or with a valid
CACHEDIR.TAG and --exclude-caches, only that entry is backed up.

--files-from takes paths and not patterns: paths below the source, one a line as
find prints them, or with -0 each ended by a NUL. A directory includes all that
is in it. Excluded entries stay excluded. A path that is not there is reported,
and the exit code is 3. An empty list is refused:

  cd ~/photos && find . -name '*.raw' -print0 | ibt backup . --files-from - -0

--path of a restore takes the same patterns. It selects the entries that match
and everything below them; '!' excludes again. A plain path selects itself.`
  }
}
