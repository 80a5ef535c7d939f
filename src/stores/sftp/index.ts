export { fromUrl } from './from-url.js'
export { type SftpStore, type SftpStoreOptions, sftpStore } from './sftp-store.js'
