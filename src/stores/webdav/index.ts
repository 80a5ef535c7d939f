export { fromUrl, type WebdavStore, type WebdavStoreOptions, webdavStore } from './webdav-store.js'
