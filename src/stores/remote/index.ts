export type { Wire } from './connection.js'
export { APPEND_ONLY, type Permission, READ_ONLY } from './permissions.js'
export { type RemoteStore, type RemoteStoreOptions, remoteStore } from './remote-store.js'
export { type ServeStoreOptions, serveStore } from './serve-store.js'
