import type { ChildProcess } from 'node:child_process'

/**
 * Lets two processes talk, each over its stdin and stdout. As with pipes of the system, who writes to one that has gone
 * fails: a pipe that nobody reads any more would hold it for ever.
 */
export function crossed(one: ChildProcess, other: ChildProcess): void {
  connect(one, other)
  connect(other, one)
}

function connect({ stdout }: ChildProcess, { stdin }: ChildProcess): void {
  for (const end of [stdout!, stdin!]) end.on('error', () => {})
  stdin!.on('close', () => stdout!.destroy())
  stdout!.pipe(stdin!)
}
