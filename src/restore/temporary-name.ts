import { randomBytes } from 'node:crypto'

const TEMPORARY = /(?:^|\/)\.ibt-[0-9a-f]{16}\.tmp$/

/** The name that a file has in a destination until it is complete. */
export function temporaryName(): string {
  return `.ibt-${randomBytes(8).toString('hex')}.tmp`
}

export function isTemporaryName(path: string): boolean {
  return TEMPORARY.test(path)
}
