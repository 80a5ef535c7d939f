// Rows as a table and as a chart.

export function table(rows) {
  const lines = rows.map(({ case: name, tool, seconds, median, min, max, ratio, peak, storedBytes }) => {
    const stored = storedBytes === undefined ? '' : `${(storedBytes / 1e6).toFixed(1)} MB`
    const share = tool === 'ibt' ? '' : `${ratio.toFixed(2)} ×`
    const spread = seconds.length === 1 ? 'one run' : `${min.toFixed(2)}–${max.toFixed(2)}`
    return `| ${name} | ${tool} | ${median.toFixed(2)} s (${spread}) | ${share} | ${peak.toFixed(0)} MiB | ${stored} |`
  })
  const head = [
    '| case | tool | median (min–max) | ours / theirs | peak memory | stored |',
    '|---|---|---|---|---|---|'
  ]
  return [...head, ...lines].join('\n')
}

const WIDTH = 800
const LEFT = 240
const ROW = 22
const GAP = 14

/** Bars of the medians, each case on a scale of its own. */
export function chart(rows) {
  let y = GAP
  let last
  const bars = rows.map(row => {
    if (last !== undefined && last !== row.case) y += GAP
    const slowest = Math.max(...rows.filter(other => other.case === row.case).map(other => other.median))
    const width = Math.max(1, ((WIDTH - LEFT - 70) * row.median) / slowest)
    const label = row.case === last ? row.tool : `${row.case}: ${row.tool}`
    const fill = row.tool === 'ibt' ? '#2f6fde' : '#9aa4b2'
    const bar = [
      `<text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${label}</text>`,
      `<rect x="${LEFT}" y="${y + 2}" width="${width.toFixed(1)}" height="${ROW - 6}" fill="${fill}"/>`,
      `<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + 14}">${row.median.toFixed(2)} s</text>`
    ]
    last = row.case
    y += ROW
    return bar.join('\n')
  })
  const style = 'text { font: 12px sans-serif; fill: #6b7280 }'
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + GAP}" width="${WIDTH}">`
  const title = '<title>Medians of whole runs, ours and those of other tools</title>'
  return [open, title, `<style>${style}</style>`, ...bars, '</svg>', ''].join('\n')
}
