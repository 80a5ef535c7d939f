const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Bytes for people: three digits that matter. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  // What would be rounded to four digits, too.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toPrecision(3)} ${UNITS[unit]}`
}

export function formatCount(count: number, noun: string, plural = `${noun}s`): string {
  // As toLocaleString('en'), which takes 8 ms at its first call.
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, ',')} ${count === 1 ? noun : plural}`
}

export function formatSeconds(ms: number): string {
  const tenths = Math.round(ms / 100)
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i

/** Bytes of `10M`, `1.5GiB`, `4096`; undefined if the text is not a size. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim())
  if (match === null) return undefined
  const power = ['', 'k', 'm', 'g', 't'].indexOf(match[2]!.toLowerCase())
  return Math.round(Number(match[1]) * 1024 ** power)
}

/** `-rwxr-xr-x`, as ls prints it. */
export function formatMode(type: string, mode: number): string {
  const letter = { directory: 'd', symlink: 'l', fifo: 'p', socket: 's', 'character-device': 'c', 'block-device': 'b' }[
    type
  ]
  const bits = [...'rwxrwxrwx'].map((bit, i) => (mode & (0o400 >> i) ? bit : '-'))
  if (mode & 0o4000) bits[2] = bits[2] === 'x' ? 's' : 'S'
  if (mode & 0o2000) bits[5] = bits[5] === 'x' ? 's' : 'S'
  if (mode & 0o1000) bits[8] = bits[8] === 'x' ? 't' : 'T'
  return `${letter ?? (type === 'unreadable' ? '?' : '-')}${bits.join('')}`
}

export function formatTime(ns: bigint): string {
  const ms = Number(ns / 1_000_000n)
  return Math.abs(ms) > 8.64e15 ? String(ns) : new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
}
