import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'
import type { FastifyBaseLogger } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'

/** Schemes of the URLs of NATS; `tls` asks for an encrypted connection. */
export const NATS_SCHEMES = ['nats', 'tls']

/** Time between two attempts to connect, in milliseconds. */
const RETRY_MS = 1_000

/** Whether a URL names one server, with a user and a password or neither. */
export function isNatsUrl (url: string): boolean {
  try {
    return optionsOf(url).servers !== ''
  } catch {
    return false
  }
}

/**
 * Connects to NATS, and connects again whenever the connection is lost. Logs each loss once, not at every attempt.
 *
 * @param purpose what does not work without the connection, for the log
 * @param signal ends the attempts: the promise rejects then
 */
export async function connectNats (
  url: string, purpose: string, log: Pick<FastifyBaseLogger, 'info' | 'warn'>, signal: AbortSignal
): Promise<NatsConnection> {
  let away = false
  const lost = (reason: string): void => {
    if (!away) log.warn({ reason }, `NATS is away: ${purpose}`)
    away = true
  }
  const back = (): void => {
    if (away) log.info(`NATS is back: ${purpose}`)
    away = false
  }
  // Not by the client's waitOnFirstConnect, which nothing can end.
  for (;;) {
    try {
      const connection = await connect(optionsOf(url))
      back()
      watch(connection, lost, back)
      return connection
    } catch (error) {
      lost((error as Error).message)
    }
    await sleep(RETRY_MS, undefined, { signal })
  }
}

async function watch (connection: NatsConnection, lost: (reason: string) => void, back: () => void): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') lost('the connection is lost')
    else if (type === 'reconnect') back()
  }
}

/** The client takes neither user and password nor TLS from a URL. */
function optionsOf (url: string): ConnectionOptions {
  const { protocol, host, username, password } = new URL(url)
  return {
    servers: host,
    ...username !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    ...protocol === 'tls:' && { tls: {} },
    timeout: 5_000,
    reconnectTimeWait: RETRY_MS,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    // A server that has gone without a word is noticed after two unanswered pings.
    pingInterval: 10_000
  }
}
