import { HttpError } from './answer.js'

/** Bytes of a content: `start` up to but not including `end`. */
export interface Extent {
  readonly start: number
  readonly end: number
}

/**
 * The one range that is asked for; undefined: everything, also where several ranges are asked for, or another unit.
 *
 * @throws HttpError 416 for a range that has no byte of the content
 */
export function parseRange(header: string | undefined, sizeBytes: number): Extent | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < start) return undefined
  if (start < end) return { start, end }
  throw new HttpError(416, 'The content has no byte in this range', { 'content-range': `bytes */${sizeBytes}` })
}

/** Whether one of the tags of an `If-None-Match` or `If-Range` is the content's. */
export function hasTag(header: string | undefined, tag: string): boolean {
  return header !== undefined && (header.trim() === '*' || header.split(',').some(one => one.trim() === tag))
}
