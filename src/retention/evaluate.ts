import { parseDate } from '../format/dates.js'
import { before } from './duration.js'
import { type PeriodOf, periodsIn } from './periods.js'
import type { Rule, RuleWord } from './rules.js'

/** A backup as the rules see it. */
export interface DatedBackup {
  readonly date: string
  readonly kind: 'full' | 'incremental'
}

/** Which backups are kept, oldest first, and why each is. */
export type Kept = ReadonlyMap<string, readonly string[]>

interface Timed extends DatedBackup {
  readonly ms: number
}

/**
 * Applies rules to the backups of a key, each rule to all of them: a backup may be kept for several reasons. The newest
 * is always kept. Times count back from the newest backup and not from now: of a source that is not backed up any more,
 * nothing goes. A rule that has found fewer periods than it is to keep also keeps the oldest backup, so that this one can
 * become the weekly, monthly or yearly one.
 *
 * @throws RangeError for a time zone that is not known.
 */
export function keptBackups(
  backups: readonly DatedBackup[],
  rules: readonly Rule[],
  { timeZone }: { readonly timeZone?: string | undefined } = {}
): Kept {
  const newestFirst = backups.map(backup => ({ ...backup, ms: parseDate(backup.date) })).sort((a, b) => b.ms - a.ms)
  const reasons = new Map<string, string[]>(newestFirst.toReversed().map(({ date }) => [date, []]))
  const periodOf = periodsIn(timeZone)
  const keep = ({ date }: Timed, reason: string) => reasons.get(date)!.push(reason)
  const [newest] = newestFirst
  if (newest !== undefined) keep(newest, 'newest')
  for (const rule of rules) {
    if (rule.word === 'full') keepFulls(newestFirst, rule.count!, keep)
    else keepPeriods(newestFirst, rule, periodOf, keep)
  }
  return new Map([...reasons].filter(([, found]) => found.length > 0))
}

type Keep = (backup: Timed, reason: string) => void

/** The newest fulls, with all that came after the oldest of them. */
function keepFulls(newestFirst: readonly Timed[], count: number, keep: Keep): void {
  let fulls = 0
  for (const backup of newestFirst) {
    keep(backup, `full ${fulls + 1}`)
    if (backup.kind === 'full' && ++fulls === count) return
  }
}

function keepPeriods(newestFirst: readonly Timed[], rule: Rule, periodOf: PeriodOf, keep: Keep): void {
  const { word, count = Infinity, within } = rule
  const [newest] = newestFirst
  const since = within === undefined || newest === undefined ? -Infinity : before(newest.ms, within)
  let period: string | undefined
  let kept: Timed | undefined
  let found = 0
  for (const backup of newestFirst) {
    if (backup.ms <= since) return
    const name = nameOf(backup, word, periodOf)
    if (name === period) continue
    period = name
    kept = backup
    keep(backup, within === undefined ? `${word} ${++found}` : `${word === 'last' ? 'within' : word} ${within.text}`)
    if (found === count) return
  }
  const oldest = newestFirst.at(-1)
  if (count < Infinity && oldest !== undefined && oldest !== kept) keep(oldest, `${word} oldest`)
}

function nameOf({ ms, date }: Timed, word: RuleWord, periodOf: PeriodOf): string {
  return word === 'last' || word === 'full' ? date : periodOf(ms, word)
}
