/** Hours of the day in minutes from midnight; one that ends before it begins goes over midnight. */
export interface Hours {
  readonly from: number
  readonly to: number
}

const SPAN = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/

/** Reads hours of the day such as `22:00-06:00`. @throws RangeError */
export function parseHours(text: string): Hours {
  const match = SPAN.exec(text.trim())
  const [fromHour, fromMinute, toHour, toMinute] = (match ?? []).slice(1).map(Number)
  const from = fromHour! * 60 + fromMinute!
  const to = toHour! * 60 + toMinute!
  if (match === null || from === to || to > 24 * 60) {
    throw new RangeError(`Not hours of the day as in 22:00-06:00: ${JSON.stringify(text)}`)
  }
  return { from, to }
}

/** Whether a minute of the day is in the hours: the first one is, the last one is not. */
export function hoursContain({ from, to }: Hours, minute: number): boolean {
  return from < to ? from <= minute && minute < to : minute >= from || minute < to
}
