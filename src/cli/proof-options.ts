import type { SampleSize } from '../proof/sample.js'
import { UsageError } from './exit.js'
import { parseSize } from './format.js'

const HOUR_MS = 3_600_000
const AGES: Readonly<Record<string, number>> = {
  h: HOUR_MS,
  d: 24 * HOUR_MS,
  w: 7 * 24 * HOUR_MS,
  m: 30 * 24 * HOUR_MS
}

/** Milliseconds of `30d`, `12h`, `8w`, `6m`; a month has 30 days. @throws UsageError */
export function parseAge(text: string): number {
  const [, count, unit] = /^(\d{1,6})([hdwm])$/.exec(text.trim()) ?? []
  if (count !== undefined && unit !== undefined) return Number(count) * AGES[unit]!
  throw new UsageError(`'${text}' is not an age: give hours, days, weeks or months, as 12h, 30d, 8w, 6m`)
}

/** The size of `5%`, `500`, `500 files`, `20G`. @throws UsageError */
export function parseSample(text: string): SampleSize {
  const [, percent] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim()) ?? []
  if (percent !== undefined && Number(percent) > 0 && Number(percent) <= 100) return { percent: Number(percent) }
  const [, files] = /^(\d{1,15})(?:\s*files?)?$/.exec(text.trim()) ?? []
  if (Number(files) > 0) return { files: Number(files) }
  const sizeBytes = percent === undefined && files === undefined ? parseSize(text) : undefined
  if (sizeBytes !== undefined && sizeBytes > 0) return { sizeBytes }
  throw new UsageError(`'${text}' is not a sample: give a share, files or bytes, as 5%, 500, 20G`)
}
