import { printPath } from '../path.js'
import { html, type Markup } from './page.js'
import { encodePart, RAW } from './target.js'

/** Links between the pages below a base, on the page of a target. */
export class Links {
  constructor(
    readonly base: string,
    readonly target: string
  ) {}

  link(href: string, text: string): Markup {
    return html`<a href="${href}">${text}</a>`
  }

  /** Of a key, of a date of it, of what is in its tree. */
  href(...parts: readonly string[]): string {
    const isDirectory = parts.length <= 2
    return `${this.base}/${parts.map(encodePart).join('/')}${isDirectory ? '/' : ''}`
  }

  artifact(name: string): string {
    return `${this.base}/${RAW}/${encodePart(name)}`
  }

  /** To each page above this one. */
  above(): Markup[] {
    const parts = this.target
      .slice(this.base.length)
      .replace(/\?.*/, '')
      .split('/')
      .filter(part => part !== '')
    const links = parts.slice(0, -1).map((part, i) => {
      const href = `${this.base}/${parts.slice(0, i + 1).join('/')}/`
      return this.link(href, printPath(decodeText(part)))
    })
    return [this.link(`${this.base}/`, 'backups'), ...links]
  }

  /** This page with a slash at its end. */
  withSlash(): string {
    const [, path, search = ''] = /^([^?]*)(\?.*)?$/.exec(this.target)!
    return `${path}/${search}`
  }
}

function decodeText(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
