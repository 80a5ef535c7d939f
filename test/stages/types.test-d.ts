// Compiled, never run: the stages as they are fit together, and what must not fit does not compile.
import type { Writable } from 'node:stream'
import { pipe } from '../../src/interop/pipe.js'
import type { Rules } from '../../src/rules.js'
import * as stages from '../../src/stages/index.js'
import type { BackupId, Codec, OpenArchive, Source, StateEntry, StateHeader, Store } from '../../src/types.js'

declare const rules: Rules
declare const codec: Codec
declare const store: Store
declare const id: BackupId
declare const header: StateHeader
declare const state: Source<StateEntry>
declare const archives: OpenArchive
declare const socket: Writable
const { walk, filter, diff, sign, pack, encode, stateEmit, publish, unpack, patch, write, only } = stages

export function fits(): Promise<unknown>[] {
  const incremental = pack({ whole: 'created', delta: 'updated' })
  return [
    pipe(
      walk('/'),
      filter(rules),
      diff(state),
      sign(),
      incremental,
      encode(codec, id),
      stateEmit(header),
      encode(codec, id),
      publish(store)
    ),
    pipe(walk('/'), pack({ whole: 'full' }), only('full'), socket),
    pipe(unpack(state, archives), filter(rules), patch(), write('/')),
    pipe(unpack(state, archives), patch(), pack({ whole: 'full' }), only('full'), socket)
  ]
}

export function doesNotFit(): void {
  // @ts-expect-error entries are nothing that can be stored
  pipe(walk('/'), publish(store))
  // @ts-expect-error nor does compression make them so
  pipe(walk('/'), encode(codec, id), publish(store))
  // @ts-expect-error pieces have no names yet
  pipe(walk('/'), pack({ whole: 'full' }), publish(store))
  // @ts-expect-error the state is made of what has been packed
  pipe(walk('/'), sign(), stateEmit(header), publish(store))
  // @ts-expect-error what has been packed cannot be packed into a directory
  pipe(walk('/'), pack({ whole: 'full' }), encode(codec, id), write('/'))
  // @ts-expect-error bytes are no entries
  pipe(walk('/'), pack({ whole: 'full' }), only('full'), sign())
  // @ts-expect-error a state is no source of entries with contents
  pipe(state, patch(), publish(store))
  // @ts-expect-error there is no such kind of artifact
  only('half')
  // @ts-expect-error nor such an archive
  pack({ whole: 'sigvault' })
}
