/** A column of a table: its title, and whether it is text and not a number. */
export interface Column {
  readonly title: string
  readonly isText?: boolean | undefined
}

/** Lines of a table: numbers are aligned to the right. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const all = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map((_, i) => Math.max(...all.map(row => row[i]!.length)))
  return all.map(row => {
    const cells = row.map((cell, i) => (columns[i]!.isText ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
    return cells.join('  ').trimEnd()
  })
}
