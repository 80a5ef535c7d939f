/** Kinds of artifact. A full backup has full, sigvault, state; an incremental created, updated, sigvault, state. */
export type Kind = 'full' | 'created' | 'updated' | 'sigvault' | 'state'
/** Kinds of artifact that hold contents. */
export type ArchiveKind = 'full' | 'created' | 'updated'

/** A stored artifact: `sha256` (hex) and `sizeBytes` are of the bytes as stored. */
export interface SealedArtifact {
  readonly name: string
  readonly kind: Kind
  readonly sizeBytes: number
  readonly sha256: string
}
