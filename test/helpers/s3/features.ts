import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Call {
  readonly operation: string
  /** `/bucket/key`, as it is in the URL. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

interface ObjectFacts {
  storageClass: string
  thaw?: 'asked' | 'done'
  retainUntil?: string
  mode?: string
}

/**
 * What Amazon's S3 has and small servers do not: conditional puts, storage classes and thawing, Object Lock, the list of
 * uploads. It was written after Amazon's documentation.
 */
export class Features {
  readonly objects = new Map<string, ObjectFacts>()
  readonly uploads = new Map<string, { readonly path: string; readonly storageClass: string }>()

  /** The answer that the server behind cannot give; undefined if it is asked. */
  before({ operation, path, query, headers, body }: Call): Answer | undefined {
    const facts = this.objects.get(path)
    if (operation === 'PutObject' && headers['if-none-match'] === '*' && facts !== undefined)
      return failure(412, 'PreconditionFailed')
    if (operation === 'GetObject' && facts !== undefined && isCold(facts) && facts.thaw !== 'done') {
      const { storageClass } = facts
      return failure(403, 'InvalidObjectState', `<StorageClass>${storageClass}</StorageClass>`)
    }
    if (operation === 'RestoreObject') return this.#thaw(facts)
    if (operation === 'PutObjectRetention') return this.#retain(facts, body.toString())
    if (operation === 'ListMultipartUploads') return this.#listUploads(path, query.get('prefix') ?? '')
    return undefined
  }

  /** Takes note of what the server behind has done. */
  after({ operation, path, query, headers }: Call, status: number, body: string): void {
    if (status >= 300) return
    const storageClass = `${headers['x-amz-storage-class'] ?? 'STANDARD'}`
    if (operation === 'PutObject') this.objects.set(path, { storageClass })
    if (operation === 'DeleteObject') this.objects.delete(path)
    if (operation === 'CreateMultipartUpload')
      this.uploads.set(/<UploadId>(.*?)<\/UploadId>/.exec(body)![1]!, { path, storageClass })
    const id = query.get('uploadId') ?? ''
    const upload = this.uploads.get(id)
    if (operation === 'CompleteMultipartUpload' && upload !== undefined)
      this.objects.set(path, { storageClass: upload.storageClass })
    if (operation === 'CompleteMultipartUpload' || operation === 'AbortMultipartUpload') this.uploads.delete(id)
  }

  headersOf(path: string): Record<string, string> {
    const { retainUntil, mode } = this.objects.get(path) ?? {}
    if (retainUntil === undefined) return {}
    return { 'x-amz-object-lock-mode': mode!, 'x-amz-object-lock-retain-until-date': retainUntil }
  }

  /** A list of the server behind, with what it does not know of its objects. */
  describe(bucket: string, xml: string, asksForThaws: boolean): string {
    return xml.replace(/<Contents>[\s\S]*?<\/Contents>/g, contents => {
      const key = unescapeXml(/<Key>(.*?)<\/Key>/.exec(contents)![1]!)
      const facts = this.objects.get(`/${bucket}/${key}`)
      if (facts === undefined) return contents
      const { storageClass, thaw } = facts
      const done = '<RestoreExpiryDate>2100-01-01T00:00:00.000Z</RestoreExpiryDate>'
      const status = `<RestoreStatus><IsRestoreInProgress>${thaw === 'asked'}</IsRestoreInProgress>${thaw === 'done' ? done : ''}</RestoreStatus>`
      const isSaid = asksForThaws && thaw !== undefined
      return contents.replace(
        /<StorageClass>.*?<\/StorageClass>/,
        `<StorageClass>${storageClass}</StorageClass>${isSaid ? status : ''}`
      )
    })
  }

  #thaw(facts: ObjectFacts | undefined): Answer {
    if (facts === undefined) return failure(404, 'NoSuchKey')
    if (!isCold(facts)) return failure(403, 'InvalidObjectState')
    if (facts.thaw === 'asked') return failure(409, 'RestoreAlreadyInProgress')
    facts.thaw ??= 'asked'
    return { status: 202 }
  }

  #retain(facts: ObjectFacts | undefined, xml: string): Answer {
    if (facts === undefined) return failure(404, 'NoSuchKey')
    const [, mode] = /<Mode>(.*?)<\/Mode>/.exec(xml)!
    const [, until] = /<RetainUntilDate>(.*?)<\/RetainUntilDate>/.exec(xml)!
    const untilMs = Date.parse(until!)
    if (untilMs <= Date.now()) return failure(400, 'InvalidArgument')
    if (facts.retainUntil !== undefined && untilMs < Date.parse(facts.retainUntil)) return failure(403, 'AccessDenied')
    facts.retainUntil = new Date(untilMs).toISOString()
    facts.mode = mode!
    return { status: 200 }
  }

  #listUploads(bucket: string, prefix: string): Answer {
    const found = [...this.uploads].filter(([, { path }]) => path.startsWith(`${bucket.replace(/\/$/, '')}/${prefix}`))
    const items = found.map(([id, { path }]) => {
      const key = escapeXml(path.split('/').slice(2).join('/'))
      return `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`
    })
    const body = `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${items.join('')}</ListMultipartUploadsResult>`
    return { status: 200, headers: { 'content-type': 'application/xml' }, body }
  }
}

/** An error as S3 answers it. */
export function failure(status: number, code: string, more = ''): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message>${more}<RequestId>${randomUUID()}</RequestId></Error>`
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

function isCold({ storageClass }: ObjectFacts): boolean {
  return storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE'
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

function unescapeXml(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, name) => (code ? String.fromCharCode(+code) : named[name]!))
}
