import type { ChildProcess } from 'node:child_process'

/** Lets two processes talk, each over its stdin and stdout. How one has ended that takes nothing more, it says itself. */
export function crossed(one: ChildProcess, other: ChildProcess): void {
  for (const { stdin, stdout } of [one, other]) for (const end of [stdin!, stdout!]) end.on('error', () => {})
  one.stdout!.pipe(other.stdin!)
  other.stdout!.pipe(one.stdin!)
}
