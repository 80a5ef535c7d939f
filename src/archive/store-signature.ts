import type { ArchiveWriter } from '../format/archive-writer.js'
import { toTarHeader } from '../format/tar-header.js'
import type { Metadata, SignaturePlace, Summary } from '../types.js'

/** Puts the signature of a content into the sigvault, if it has one; the comment says which content it is of. */
export function storeSignature(
  sigvault: ArchiveWriter,
  item: Metadata,
  { signature, sizeBytes, sha256 }: Summary
): SignaturePlace | undefined {
  if (signature === undefined) return undefined
  const comment = JSON.stringify({ sizeBytes, sha256: sha256 || undefined })
  const offset = sigvault.header(toTarHeader(item, { sizeBytes: signature.length, comment }))
  sigvault.body(signature)
  sigvault.endBody(signature.length)
  return { date: '', offset }
}
