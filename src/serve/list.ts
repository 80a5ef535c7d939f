import type { Answer } from './answer.js'
import { type Markup, PAGE_HEADERS, page } from './page.js'

/** A thing that is listed: to programs an object, to people a row. */
export interface Listed {
  readonly value: object
  readonly row: readonly (string | number | Markup)[]
}

/** A list, and what a page says of it. */
export interface List {
  readonly title: string
  /** Links in front of the title. */
  readonly above: readonly Markup[]
  readonly heads: readonly string[]
  readonly listed: AsyncIterable<Listed> | Iterable<Listed>
}

const JSON_HEADERS = { 'content-type': 'application/json' } as const
const TEXT_MAX = 65_536

export function listAsJson({ listed }: List): Answer {
  return { status: 200, headers: JSON_HEADERS, body: linesOf(listed) }
}

export function listAsPage({ title, above, heads, listed }: List): Answer {
  return { status: 200, headers: PAGE_HEADERS, body: page(title, above, heads, rowsOf(listed)) }
}

export function oneAsJson(value: object): Answer {
  return { status: 200, headers: JSON_HEADERS, body: [Buffer.from(`${JSON.stringify(value)}\n`)] }
}

async function* rowsOf(listed: List['listed']) {
  for await (const { row } of listed) yield row
}

async function* linesOf(listed: List['listed']): AsyncGenerator<Uint8Array, void, undefined> {
  let text = '['
  let isFirst = true
  for await (const { value } of listed) {
    text += `${isFirst ? '\n' : ',\n'}${JSON.stringify(value)}`
    isFirst = false
    if (text.length < TEXT_MAX) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(`${text}\n]\n`)
}
