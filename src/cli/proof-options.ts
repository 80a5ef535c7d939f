import type { SampleSize } from '../proof/sample.js'
import { aboutMs, parseDuration } from '../retention/duration.js'
import { UsageError } from './exit.js'
import { parseSize } from './format.js'

/** Milliseconds of `30d`, `12h`, `8w`, `6m`. @throws UsageError */
export function parseAge(text: string): number {
  const duration = parseDuration(text.trim())
  if (duration !== undefined) return aboutMs(duration)
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
