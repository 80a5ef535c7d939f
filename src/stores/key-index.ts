const EMPTY = 0xffff_ffff
const FIRST_SLOTS = 1024

/**
 * Numbers by keys of 32 bits, several a key: what is found is a guess that has to be looked at.
 * Of a key, the first `valuesPerKey` are kept: a crowd of equals would be walked through by each that joins it.
 * Memory: 16 to 32 bytes a number.
 */
export class KeyIndex {
  #keys = new Uint32Array(FIRST_SLOTS)
  #values = new Uint32Array(FIRST_SLOTS).fill(EMPTY)
  #size = 0

  constructor(readonly valuesPerKey: number) {}

  /** Larger values are left out. */
  add(key: number, value: number): void {
    if (value >= EMPTY) return
    if (2 * (this.#size + 1) > this.#values.length) this.#grow()
    if (this.#put(key, value)) this.#size++
  }

  has(key: number): boolean {
    return !this.find(key).next().done
  }

  /** The keys, in no order, some of them several times. */
  keys(): Uint32Array {
    return this.#keys.filter((_, slot) => this.#values[slot] !== EMPTY)
  }

  *find(key: number): Generator<number, void, undefined> {
    const mask = this.#values.length - 1
    for (let slot = key & mask; this.#values[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.#keys[slot] === key >>> 0) yield this.#values[slot]!
    }
  }

  #put(key: number, value: number): boolean {
    const mask = this.#values.length - 1
    let slot = key & mask
    let equals = 0
    for (; this.#values[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.#keys[slot] === key >>> 0 && ++equals === this.valuesPerKey) return false
    }
    this.#keys[slot] = key
    this.#values[slot] = value
    return true
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values]
    this.#keys = new Uint32Array(2 * keys.length)
    this.#values = new Uint32Array(2 * values.length).fill(EMPTY)
    for (let slot = 0; slot < values.length; slot++) {
      if (values[slot] !== EMPTY) this.#put(keys[slot]!, values[slot]!)
    }
  }
}

/** A key for a text: FNV-1a. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
