export type { BundleOptions } from '../bundle/write-volumes.js'
export { type Rate, type RateByHours, type RateClock, RateLimiter } from '../flow/rate.js'
export { type AddParentsOptions, addParents } from './add-parents.js'
export { bundle } from './bundle.js'
export { type DiffOptions, diff } from './diff.js'
export { type EncodeOptions, type EncodeStage, encode } from './encode.js'
export { encrypt } from './encrypt.js'
export { filter } from './filter.js'
export { limitRate } from './limit-rate.js'
export { type ContentTransform, type MapContentsOptions, mapContents } from './map-contents.js'
export { mapEntries } from './map-entries.js'
export { merge } from './merge.js'
export { observe } from './observe.js'
export { only } from './only.js'
export { type PackOptions, pack } from './pack.js'
export { type PatchOptions, patch } from './patch.js'
export { type Published, type PublishOptions, publish } from './publish.js'
export { type SignOptions, sign } from './sign.js'
export { type StateEmitOptions, stateEmit } from './state-emit.js'
export { type UnbundleOptions, unbundle } from './unbundle.js'
export { unpack } from './unpack.js'
export { type WalkOptions, walk } from './walk.js'
export {
  type ConfirmDelete,
  type DeleteCounts,
  type MayDelete,
  type Overwrite,
  type WriteOptions,
  type Written,
  write
} from './write.js'
