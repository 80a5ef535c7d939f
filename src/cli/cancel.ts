import { Exit } from './exit.js'

/** Takes signals over from `bin/ibt.cjs`, with those that have come already. */
export type Listen = (listener: (name: SignalName) => void) => void

type SignalName = 'SIGHUP' | 'SIGINT' | 'SIGTERM'

const CODES = { SIGHUP: Exit.hungUp, SIGINT: Exit.cancelled, SIGTERM: Exit.terminated } as const

/**
 * The first signal aborts. Further ones change nothing: npx and a terminal send each of them twice, and what would end
 * the process at once would leave its lock. SIGQUIT and SIGKILL do that, and the next run removes what they left.
 */
export function cancelOnSignal(listen: Listen, tell: (name: SignalName) => void) {
  const controller = new AbortController()
  const cancelled: { readonly signal: AbortSignal; code: number } = { signal: controller.signal, code: Exit.cancelled }
  listen(name => {
    if (controller.signal.aborted) return
    cancelled.code = CODES[name]
    tell(name)
    controller.abort(new Error(`Cancelled by ${name}`))
  })
  return cancelled
}
