export { type CipherFromOptions, type CipherProcess, type CipherStep, cipherFrom } from './cipher-from.js'
export { compose } from './compose.js'
export type { ForeignSink, ForeignTransform, LastTransform } from './foreign.js'
export { type FromTarOptions, fromTar, type TarEntry, type TarNameOptions } from './from-tar.js'
export {
  fromIter,
  fromIterTransform,
  fromIterWriter,
  type IterBatch,
  type IterOptions,
  type IterSource,
  type IterTransform,
  type IterWriter,
  type StatefulIterTransform,
  toIterTransform
} from './iter.js'
export { type MapRecordsOptions, mapRecords } from './map-records.js'
export {
  fromNodeTransform,
  type NodeDuplex,
  type NodeWritable,
  type ReadableOptions,
  toNodeReadable,
  toNodeWritable
} from './node.js'
export { type PipeOptions, pipe } from './pipe.js'
export { stageToDuplex } from './stage-duplex.js'
export type { TarReaderOptions } from './tar-reader.js'
export type { TarSortOptions } from './tar-sorted.js'
export { tee } from './tee.js'
export { type TarStreamReport, toTarStream } from './to-tar-stream.js'
export { fromWebTransform, toWebReadable, toWebWritable, type WebTransform } from './web.js'
export { type FromWireOptions, fromWire, toWire } from './wire.js'
export type { Compose, Pipe, Tee } from './wiring.js'
