import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Runs a command that has to succeed without a word on stderr. Text goes in and comes out as bytes. */
export function run(command: string, args: readonly (string | Buffer)[], input?: Buffer): Buffer {
  const { status, stdout, stderr, error } = spawnSync(command, args as string[], {
    input,
    maxBuffer: 1 << 28,
    // What a shell is told to read first may say something, too.
    env: { ...process.env, BASH_ENV: '', LC_ALL: 'C.UTF-8', TZ: 'UTC' }
  })
  const said = `${command} ${args.join(' ')}: ${error ?? ''}${String(stderr)}${String(stdout).slice(0, 2000)}`
  assert.equal(status, 0, said)
  assert.equal(String(stderr), '', said)
  return stdout
}

/** A pipeline of the shell with its parameters as $1, $2, …; every part of it has to succeed in silence. */
export function shell(script: string, ...parameters: string[]): Buffer {
  return run('bash', ['-o', 'pipefail', '-ec', script, 'bash', ...parameters])
}

/** A naive copy of a tree. */
export function copyTree(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  run('cp', ['-a', '--', from, to])
}

/** rsync finds nothing to do: contents, hard links, modes, owners and times to the nanosecond are the same. */
export function assertSameTree(found: string, wanted: string, message = ''): void {
  compare(found, wanted, message)
}

/** As `assertSameTree`, and extended attributes and ACLs are the same. */
export function assertSameAttributes(found: string, wanted: string, message = ''): void {
  compare(found, wanted, message, '-AX')
}

function compare(found: string, wanted: string, message: string, ...more: string[]): void {
  const options = ['-naHc', '--modify-window=-1', '--delete', '--itemize-changes', ...more]
  assert.equal(run('rsync', [...options, `${wanted}/`, `${found}/`]).toString(), '', message)
}

/** GNU tar finds no difference between a tar of one tree and the other tree. */
export function assertTarCompares(found: string, wanted: string): void {
  shell('tar -C "$1" -cf - . | tar -C "$2" --compare -f -', wanted, found)
}

/** GNU tar and bsdtar list an archive in silence. */
export function assertTarsList(archive: string): void {
  const listed = shell('tar -tf "$1" | wc -l', archive).toString()
  assert.equal(shell('bsdtar -tf "$1" | wc -l', archive).toString(), listed)
}

/** GNU tar and bsdtar extract an archive in silence, and the same. (bsdtar reads fractions before 1970 wrongly.) */
export function assertTarsExtract(archive: string, scratch: string): void {
  const [gnu, bsd] = ['gnu-', 'bsd-'].map(prefix => mkdtempSync(join(scratch, prefix))) as [string, string]
  run('tar', ['-C', gnu, '--warning=no-timestamp', '-xpf', archive])
  run('bsdtar', ['-C', bsd, '-xpf', archive])
  compare(bsd, gnu, archive, '--no-times')
  for (const directory of [gnu, bsd]) rmSync(directory, { recursive: true })
}
