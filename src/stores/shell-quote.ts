/** A text as one word of a shell's command. */
export function shellQuote(text: string): string {
  return /^[\w./@:+=~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
