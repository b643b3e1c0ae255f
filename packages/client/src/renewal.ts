import { later } from './backoff.js'
import type { AirlockError } from './errors.js'
import { timedOut, type Verdict } from './verdict.js'

/** Between a refresh that was asked for and the one before, in milliseconds: what a server allows on average. */
const INTERVAL = 1_000

/** What refreshing needs of its connection. */
export interface RenewalHost {
  /** For the JWT, and for the answer to it, in milliseconds. */
  timeout: number
  /** Time before retry `n`, in milliseconds. */
  backoff (n: number): number
  /**
   * Gets the JWT.
   *
   * @param expiring whether the one in use is of no more use
   * @throws a `Verdict`
   */
  ask (signal: AbortSignal, expiring: boolean): Promise<string>
  send (token: string): void
  /** There is no JWT for the moment; the connection goes on. */
  failed (error: AirlockError): void
  /** There is no answer. */
  dead (verdict: Verdict): void
}

/** The refreshes of one connection: never two at once. */
export interface Renewal {
  refresh (): Promise<void>
  /** The server asks for a refresh. It is tried again until one succeeds. */
  demand (): void
  /** Finds out whether anybody is there. */
  probe (): void
  /** The server has answered. */
  settle (): void
  /** The connection has ended. */
  stop (error: AirlockError): void
}

/** @returns the refreshes of a connection that has just opened */
export function createRenewal (host: RenewalHost): Renewal {
  let pending: { promise: Promise<void>, resolve: () => void, reject: (error: AirlockError) => void } | undefined
  let controller: AbortController | undefined
  let deadline: ReturnType<typeof setTimeout> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let demanded = false
  let failures = 0
  let last = -Infinity

  function refresh (): Promise<void> {
    if (pending !== undefined) return pending.promise
    let resolve!: () => void
    let reject!: (error: AirlockError) => void
    const promise = new Promise<void>((...settlers) => { [resolve, reject] = settlers })
    // Whoever does not look at the promise learns of it by the event.
    promise.catch(() => {})
    const mine = pending = { promise, resolve, reject }
    last = performance.now()
    controller = new AbortController()
    deadline = later(host.timeout, () => { fail(timedOut('getToken')) })
    host.ask(controller.signal, demanded).then(token => {
      if (pending !== mine) return
      clearTimeout(deadline)
      deadline = later(host.timeout, () => { host.dead(timedOut('The answer to a refresh')) })
      host.send(token)
    }, (verdict: Verdict) => { if (pending === mine) fail(verdict) })
    return promise
  }

  function fail ({ error, retry: again, wait }: Verdict): void {
    stop(error)
    if (demanded && again !== 'never') retry = later(Math.max(host.backoff(failures++), wait), refresh)
    host.failed(error)
  }

  function stop (error: AirlockError | null): void {
    clearTimeout(deadline)
    clearTimeout(retry)
    controller?.abort()
    if (error === null) pending?.resolve()
    else pending?.reject(error)
    pending = undefined
  }

  return {
    refresh,
    stop,
    demand () {
      demanded = true
      clearTimeout(retry)
      retry = later(Math.max(0, last + INTERVAL - performance.now()), refresh)
    },
    probe () {
      if (performance.now() - last > INTERVAL) refresh()
    },
    settle () {
      demanded = false
      failures = 0
      stop(null)
    }
  }
}
