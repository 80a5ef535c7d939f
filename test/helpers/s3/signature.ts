import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/**
 * Whether a request is signed as AWS asks for (Signature Version 4), written after its documentation and not after the
 * SDK: the path is decoded and encoded once, the query is sorted, and the body has the digest that is signed.
 */
export function isSigned(request: IncomingMessage, body: Buffer, secret: string): boolean {
  const { headers, method, url = '/' } = request
  const match =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? ''
    )
  if (match === null) return false
  const [, day, region, signedHeaders, signature] = match as unknown as [string, string, string, string, string]
  const digest = `${headers['x-amz-content-sha256']}`
  const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')
  if (/^[0-9a-f]{64}$/.test(digest) && digest !== sha256(body)) return false
  const [path, query = ''] = url.split('?') as [string, string?]
  const pairs = query
    .split('&')
    .filter(Boolean)
    .map(pair => pair.split('='))
    .map(([name = '', value = '']) => `${encode(decodeURIComponent(name))}=${encode(decodeURIComponent(value))}`)
  const canonical = [
    method,
    path.split('/').map(decodeURIComponent).map(encode).join('/'),
    pairs.sort().join('&'),
    ...signedHeaders.split(';').map(name => `${name}:${`${headers[name]}`.trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders,
    digest
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`)
  return hmac(key, text).toString('hex') === signature
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
