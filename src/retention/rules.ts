import { aboutMs, type Duration, parseDuration } from './duration.js'
import { COARSER, type Period } from './periods.js'

/** How many: a number, `all` (also -1), or those of a time such as `10d`, counted back from the newest backup. 0 is none. */
export type KeepCount = number | string

/** What to keep. A backup is kept if one of the words keeps it, and the newest is always kept. */
export interface KeepOptions {
  /**
   * Short forms: `10` the last ten, `10d` all of the last ten days, `7daily` the newest of each of seven days,
   * `13weekly`, `2full`; one or a list of them.
   */
  readonly keep?: KeepCount | readonly KeepCount[] | undefined
  /** The newest backups. */
  readonly keepLast?: KeepCount | undefined
  /** All backups of a time, such as `10d`, `2w`, `6m`, `1y6m`, `36h`. */
  readonly keepWithin?: string | undefined
  /** The newest of each hour that has a backup. */
  readonly keepHourly?: KeepCount | undefined
  /** The newest of each day that has a backup. */
  readonly keepDaily?: KeepCount | undefined
  /** The newest of each week, Monday to Sunday. */
  readonly keepWeekly?: KeepCount | undefined
  readonly keepMonthly?: KeepCount | undefined
  /** The newest of each quarter, by weeks of ISO 8601. */
  readonly keep13Weekly?: KeepCount | undefined
  /** The newest of each quarter, by months. */
  readonly keep3Monthly?: KeepCount | undefined
  readonly keepYearly?: KeepCount | undefined
  /** The newest full backups, each with the incrementals that follow it. */
  readonly keepFull?: KeepCount | undefined
  /** In which hours, days, weeks, months and years begin: `UTC`, `Europe/Berlin`. Default: that of this machine. */
  readonly timeZone?: string | undefined
}

/** `last`: each backup is a period of its own. */
export type RuleWord = 'last' | 'full' | Period

/** One rule: the newest backup of each period, as many as there are to be or in the last `within`. */
export interface Rule {
  readonly word: RuleWord
  readonly count?: number | undefined
  readonly within?: Duration | undefined
}

const NAMED = {
  keepLast: 'last',
  keepWithin: 'last',
  keepHourly: 'hourly',
  keepDaily: 'daily',
  keepWeekly: 'weekly',
  keepMonthly: 'monthly',
  keep13Weekly: '13weekly',
  keep3Monthly: '3monthly',
  keepYearly: 'yearly',
  keepFull: 'full'
} as const satisfies Partial<Record<keyof KeepOptions, RuleWord>>

const SHORT = /^(\d+|all|-1)(hourly|daily|weekly|monthly|yearly|full)$/

/**
 * The rules that words mean.
 *
 * @throws RangeError for words that are not known, that are given twice, that others make redundant, or that keep nothing.
 */
export function parseRules(options: KeepOptions): readonly Rule[] {
  const rules: Rule[] = []
  for (const text of [options.keep ?? []].flat()) rules.push(...parseShort(String(text)))
  for (const [name, word] of Object.entries(NAMED)) {
    const value = options[name as keyof typeof NAMED]
    if (value === undefined) continue
    const rule = parseCount(word, String(value), `the value of ${name}`)
    if (name === 'keepWithin' && rule?.within === undefined) {
      throw new RangeError(`'${value}' is not a time: keepWithin takes one such as 10d, 2w, 6m, 1y`)
    }
    if (rule !== undefined) rules.push(rule)
  }
  if (rules.length === 0) throw new RangeError('No rule keeps anything: say what to keep, such as 7 daily and 4 weekly')
  checkRules(rules)
  return rules
}

/** Whether options have any of the words. */
export function hasRules(options: KeepOptions): boolean {
  return (
    options.keep !== undefined || Object.keys(NAMED).some(name => options[name as keyof typeof NAMED] !== undefined)
  )
}

/** A rule in words, such as `7 daily` or `all of 10d`. */
export function describeRule({ word, count, within }: Rule): string {
  const many = within === undefined ? (count === Infinity ? 'all' : String(count)) : `all of ${within.text}`
  return word === 'last' && within !== undefined ? many : `${many} ${word}`
}

function parseShort(text: string): readonly Rule[] {
  const [, count, word = 'last'] = SHORT.exec(text) ?? [undefined, text]
  const rule = parseCount(word as RuleWord, count!, 'what to keep: 10, 10d or 7daily')
  return rule === undefined ? [] : [rule]
}

/** Undefined for a rule that is switched off by 0. */
function parseCount(word: RuleWord, text: string, what: string): Rule | undefined {
  if (/^(?:all|unlimited|-1)$/.test(text)) return { word, count: Infinity }
  if (/^\d{1,6}$/.test(text)) return Number(text) === 0 ? undefined : { word, count: Number(text) }
  const within = parseDuration(text)
  if (within !== undefined && word !== 'full') return { word, within }
  throw new RangeError(`'${text}' is not ${what}: give a number, all, or a time such as 10d, 2w, 6m, 1y`)
}

/** A word that adds nothing was meant otherwise, most often. */
function checkRules(rules: readonly Rule[]): void {
  rules.forEach((rule, i) => {
    for (const other of rules.slice(i + 1)) {
      const isSame = rule.word === other.word && (rule.within === undefined) === (other.within === undefined)
      if (isSame) throw new RangeError(`'${describeRule(rule)}' and '${describeRule(other)}' are the same word twice`)
    }
  })
  if (rules.some(({ word }) => word === '13weekly') && rules.some(({ word }) => word === '3monthly')) {
    throw new RangeError('13weekly and 3monthly are two ways to keep one of each quarter: give one of them')
  }
  for (const rule of rules) {
    const covering = rules.find(other => other !== rule && covers(other, rule))
    if (covering === undefined) continue
    const [what, by] = [describeRule(rule), describeRule(covering)]
    throw new RangeError(`'${what}' keeps nothing that '${by}' does not keep: leave it out, or make it longer`)
  }
}

/** Whether all that the second rule keeps is kept by the first. */
function covers(rule: Rule, other: Rule): boolean {
  if (rule.count === Infinity) return rule.word === 'last' || rule.word === other.word || isCoarser(rule, other)
  if (rule.within === undefined || other.within === undefined) return false
  return isCoarser(rule, other) && aboutMs(rule.within) >= aboutMs(other.within)
}

function isCoarser({ word }: Rule, other: Rule): boolean {
  if (other.word === 'last' || other.word === 'full' || word === 'full') return false
  return word === 'last' || COARSER[word].includes(other.word)
}
