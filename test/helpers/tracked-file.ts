import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { BackupReport, ChangedBlocks, Extent, FindChangedBlocks, MapBasis } from '../../src/index.js'
import type { NaiveChain } from './chain.js'

/** A file in a chain's source whose writes are tracked from one backup to the next, as a hypervisor tracks a disk's. */
export class TrackedFile {
  readonly path: string
  extents: Extent[] = []
  /** Date of the backup that the map begins at. */
  since = ''
  /** What was asked for in the last run. */
  asked: MapBasis | undefined

  constructor(
    readonly chain: NaiveChain,
    name: string,
    bytes?: Uint8Array
  ) {
    this.path = join(chain.source, name)
    if (bytes !== undefined) writeFileSync(this.path, bytes)
  }

  write(position: number, bytes: Uint8Array): void {
    this.writeUntracked(position, bytes)
    this.extents.push({ offset: position, sizeBytes: bytes.length })
  }

  writeUntracked(position: number, bytes: Uint8Array): void {
    const fd = openSync(this.path, 'r+')
    writeSync(fd, bytes, 0, bytes.length, position)
    closeSync(fd)
  }

  /** What is behind the end of the shorter one needs no tracking. */
  resize(sizeBytes: number): void {
    truncateSync(this.path, sizeBytes)
  }

  readonly changedBlocks: FindChangedBlocks = ({ path }, basis) => {
    if (path !== basename(this.path)) return undefined
    this.asked = basis
    return this.map()
  }

  map(): ChangedBlocks {
    return { since: this.since, extents: this.extents }
  }

  /** A backup of the chain, from which on the map begins anew. */
  async backup(kind: 'full' | 'incremental' = 'incremental'): Promise<BackupReport> {
    const report = await this.chain[kind]({ changedBlocks: this.changedBlocks })
    this.since = report.date
    this.extents = []
    return report
  }
}
