export { fromUrl, type HttpStoreOptions, httpStore } from './http-store.js'
