import { createHash } from 'node:crypto'

const STYLE =
  'body{font-family:system-ui,sans-serif;margin:2em;line-height:1.5}table{border-collapse:collapse}' +
  'td,th{padding:.1em 1.5em .1em 0;text-align:left;white-space:nowrap}.n{text-align:right;font-variant-numeric:tabular-nums}'

/** No script, and nothing from elsewhere. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
} as const

/** Markup: what is put into it by `html` is escaped, unless it is markup itself. */
export class Markup {
  constructor(readonly text: string) {}
}

/** A template of markup. Names in it are printable already. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | number | Markup)[]): Markup {
  const text = values.map(
    (value, i) => (value instanceof Markup ? value.text : escapeText(String(value))) + parts[i + 1]!
  )
  return new Markup(parts[0]! + text.join(''))
}

/** A page with a table: a heading, links to what is above, and rows as they come. */
export async function* page(
  title: string,
  above: readonly Markup[],
  heads: readonly string[],
  rows: AsyncIterable<readonly (string | number | Markup)[]>
): AsyncGenerator<Uint8Array, void, undefined> {
  const up = new Markup(above.map(({ text }) => text).join(' / '))
  const columns = new Markup(heads.map(head => html`<th>${head}</th>`.text).join(''))
  const style = new Markup(`<style>${STYLE}</style>`)
  yield encode(
    html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>${style}</head>
<body><p>${up}</p><h1>${title}</h1>
<table><thead><tr>${columns}</tr></thead><tbody>
`
  )
  let text = ''
  for await (const row of rows) {
    const cells = row.map(
      cell => html`<td${new Markup(typeof cell === 'number' ? ' class="n"' : '')}>${cell}</td>`.text
    )
    text += `<tr>${cells.join('')}</tr>\n`
    if (text.length < 65_536) continue
    yield encode(new Markup(text))
    text = ''
  }
  yield encode(new Markup(`${text}</tbody></table></body></html>\n`))
}

function encode({ text }: Markup): Uint8Array {
  return Buffer.from(text, 'utf8')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;'
}

function escapeText(text: string): string {
  return text.toWellFormed().replace(/[&<>"']/g, character => ESCAPES[character]!)
}
