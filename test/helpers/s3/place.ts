import { after } from 'node:test'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { type S3StoreOptions, s3Store } from '../../../src/stores/s3/index.js'
import type { Store } from '../../../src/types.js'
import { S3Proxy } from './proxy.js'
import { CREDENTIALS, S3Server } from './server.js'

/** A server and a proxy for the tests of a file, with as many buckets as they need. */
export class S3Place {
  readonly #clients: S3Client[] = []
  #buckets = 0

  private constructor(
    readonly server: S3Server,
    readonly proxy: S3Proxy
  ) {}

  static async open(): Promise<S3Place> {
    const server = await S3Server.start()
    const place = new S3Place(server, await S3Proxy.start(server.url))
    after(async () => {
      for (const client of place.#clients) client.destroy()
      await place.proxy.stop()
      await server.stop()
    })
    return place
  }

  /** A client as a user makes it; `endpoint`: the proxy. */
  client(endpoint = this.proxy.url, more: object = {}): S3Client {
    const client = new S3Client({
      region: 'us-east-1',
      endpoint,
      forcePathStyle: true,
      credentials: CREDENTIALS,
      maxAttempts: 4,
      ...more
    })
    this.#clients.push(client)
    return client
  }

  async bucket(): Promise<string> {
    const bucket = `bucket-${++this.#buckets}`
    await this.client().send(new CreateBucketCommand({ Bucket: bucket }))
    return bucket
  }

  /** A store in a bucket of its own. */
  async store(options: Partial<S3StoreOptions> = {}): Promise<Store> {
    return s3Store({ bucket: await this.bucket(), client: this.client(), ...options })
  }
}
