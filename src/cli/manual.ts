/** What `ibt help COMMAND` says of a command above its options. */
export const MANUAL = {
  full: `Reads the whole of SOURCE once and begins a new chain: an archive with everything, signatures for the deltas to come, and the state, which says where each content is. What cannot be read is reported, and the run ends with 3. The backup exists when its state is stored, last of all: until then nothing has happened.`,
  incremental: `Compares SOURCE with the newest backup of its key and stores what has changed: new files whole, changed ones as librsync deltas where these are smaller. A file is opened only if its size, a time or its inode differ. What cannot be read stays as it was in the last backup, and is looked at again in the next.`,
  backup: `A full if the key has no backup yet, else an incremental: what a timer runs every day. 'ibt help full' and 'ibt help incremental' say what these do.`,
  restore: `Writes the tree as it was at a date into DEST. Every content is proven by its SHA-256 before its name appears, and nothing is written outside DEST. With - for DEST it is a tar on stdout. Root restores owners by name, or by number; others own what they restore.`,
  list: `Lists the backups of a key, or of all keys, oldest first: key, date, kind, files, their bytes, bytes stored, and the backup that it is built on.`,
  ls: `Lists what a backup holds, in path order, out of its state alone: no archive is read. Names with control characters or bytes that are not UTF-8 are quoted and escaped; --json has them whole.`,
  diff: `Lists what differs between two backups, out of their states alone: + created, - deleted, M updated, m only metadata.`,
  verify: `Proves that a backup can be restored: its states by their digests, and that every artifact is there with its size. --read-data reads all of them, and makes and proves every file; with --json an event 'lost' names each one that cannot be made. Ends with 4 if something is wrong.`,
  'build-addon': `Compiles the native addon for this machine. This is needed only where the package brings no binary: on other systems than Linux with glibc, on other processors than x64 and ARM64, or if optional dependencies were left out. Needs a C++17 compiler (g++ or clang++; CXX names another) and downloads nothing. If the package's own directory cannot be written, name a file with --output and set IBT_ADDON to its path.`
} as const
