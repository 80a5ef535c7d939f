/** What flows through the stages, and what it is stored in. */
export type * from './types/codec.js'
export type * from './types/entry.js'
export * from './types/item.js'
export type * from './types/source.js'
export type * from './types/state.js'
export type * from './types/store.js'
export type * from './types/stream.js'
