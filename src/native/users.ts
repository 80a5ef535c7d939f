import { addon } from './addon.js'

const userNames = new Map<number, string | undefined>()
const groupNames = new Map<number, string | undefined>()
const userIds = new Map<string, number | undefined>()
const groupIds = new Map<string, number | undefined>()

function remembered<K, V>(known: Map<K, V>, key: K, look: (key: K) => V): V {
  if (known.has(key)) return known.get(key) as V
  const found = look(key)
  known.set(key, found)
  return found
}

/** Name of a user on this system, asked for once; undefined if there is none. */
export function userName(uid: number): string | undefined {
  return remembered(userNames, uid, uid => addon().userName(uid))
}

/** Name of a group on this system, asked for once; undefined if there is none. */
export function groupName(gid: number): string | undefined {
  return remembered(groupNames, gid, gid => addon().groupName(gid))
}

/** Number of a user on this system, asked for once; undefined if there is none. */
export function userId(name: string): number | undefined {
  return remembered(userIds, name, name => addon().userId(name))
}

/** Number of a group on this system, asked for once; undefined if there is none. */
export function groupId(name: string): number | undefined {
  return remembered(groupIds, name, name => addon().groupId(name))
}
