import { PART_BYTES, SIGNATURE_BYTES } from '../constants.js'
import { isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { SignatureBytes } from '../format/signature.js'
import { digestSignature } from '../native.js'
import type { Change, FindChangedBlocks, MapUse, StateEntry, UnusedMapReason } from '../types.js'
import type { DecideContext } from './decide-body.js'
import { MappedBody, type Ranges } from './mapped-body.js'
import { pays, whyNoDelta } from './policy.js'
import { TouchedBlocks } from './touched-blocks.js'

/** Where maps of changed blocks come from. */
export interface Maps {
  readonly find: FindChangedBlocks
  /** Date of the backup that is built on. Without it no map is used: contents are read whole. */
  readonly basisDate?: string | undefined
}

/** A map that was not used. */
export type UnusedMap = Extract<MapUse, { readonly isUsed: false }>

/**
 * The delta of a content by the map of what has changed; or why the map is not used. Undefined where there is none, or
 * where it would be of no use: of a small content, or one that is due to be stored whole.
 * `ranges`: how the content is read.
 */
export async function useMap(
  item: Change,
  ranges: Ranges | undefined,
  { policy, maps, signal }: DecideContext
): Promise<MappedBody | UnusedMap | undefined> {
  const { previous, sizeBytes, basis } = item
  if (maps?.basisDate === undefined || item.change !== 'updated' || previous?.type !== 'file') return undefined
  if (sizeBytes === undefined || sizeBytes <= PART_BYTES || previous.sizeBytes === undefined) return undefined
  if (whyNoDelta(previous, sizeBytes, policy) !== undefined) return undefined
  const { sha256, signatureDigest } = previous
  try {
    const asked = { date: maps.basisDate, sha256, signatureDigest, sizeBytes: previous.sizeBytes }
    const map = await untilAbort(Promise.resolve(maps.find(item, asked)), signal)
    if (map === undefined) return undefined
    if (map.since !== maps.basisDate && map.since !== sha256) return unused('other-basis')
    if (isInDoubt(item, previous)) return unused('basis-in-doubt')
    if (ranges === undefined) return unused('no-ranges')
    const signature = await readSignature(previous, basis, signal)
    if (signature === undefined) return unused('no-signature')
    const touched = new TouchedBlocks(signature.blockLen, previous.sizeBytes, sizeBytes)
    if (SignatureBytes.sizeOf(touched.blocks, signature) > SIGNATURE_BYTES) return unused('no-signature')
    for await (const extent of abortable(map.extents, signal)) touched.add(extent)
    if (!pays(touched.readBytes, previous, sizeBytes, policy)) return unused('most-changed')
    return new MappedBody({ item, touched, signature, ...ranges }, signal)
  } catch (error) {
    if (signal?.aborted || (isBackupError(error) && error.code === 'IBT_STORE_FAILED')) throw error
    return { ...unused('map-failed'), message: error instanceof Error ? error.message : String(error) }
  }
}

function unused(reason: UnusedMapReason): UnusedMap {
  return { isUsed: false, reason }
}

/** Whether what was stored may be other bytes than those that the map begins at. */
function isInDoubt({ mapped }: Change, previous: StateEntry): boolean {
  return previous.carried === true || previous.dirty === true || previous.mapped !== undefined || mapped !== undefined
}

/** The signature of the basis, if it is the one that was recorded: sums that are not read again must be right. */
async function readSignature(
  { signatureDigest, sizeBytes = 0 }: StateEntry,
  basis: Change['basis'],
  signal: AbortSignal | undefined
): Promise<SignatureBytes | undefined> {
  if (signatureDigest === undefined || basis === undefined) return undefined
  let bytes: Uint8Array | undefined
  try {
    bytes = await untilAbort(basis(), signal)
  } catch (error) {
    if (signal?.aborted || !isBackupError(error) || error.code === 'IBT_STORE_FAILED') throw error
  }
  const signature = bytes && SignatureBytes.read(bytes)
  if (signature === undefined || signature.blocks !== Math.ceil(sizeBytes / signature.blockLen)) return undefined
  return digestSignature(signature.bytes, signature).sha256 === signatureDigest.sha256 ? signature : undefined
}
