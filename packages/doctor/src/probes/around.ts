import type { TLSSocket } from 'node:tls'
import { isLoopback } from '../host.js'
import { fail, type Outcome, pass, type Probe, skipped, unknown } from '../outcome.js'
import type { Visit } from '../visit.js'
import { certificateProblem } from '../wire.js'

async function tls ({ settings: { url, ticketUrl } }: Visit): Promise<Outcome> {
  const clear = [url, ...(ticketUrl === undefined ? [] : [ticketUrl])].filter(({ protocol }) => protocol === 'ws:' || protocol === 'http:')
  if (clear.length === 0) return pass('wss: and https:')
  const open = clear.find(({ hostname }) => !isLoopback(hostname))
  return open === undefined ? skipped('the server is on this machine') : fail(`${open.protocol}//${open.host} is not encrypted`)
}

async function tlsVersion (visit: Visit): Promise<Outcome> {
  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    // OpenSSL itself offers these only at its lowest level of security.
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0', rejectUnauthorized: false } as const
    const socket: TLSSocket | null = await visit.connect(visit.settings.url, old).catch(() => null)
    if (socket !== null) return fail(`a connection with ${String(socket.getProtocol())}`)
  }
  return pass('TLS 1.0 and 1.1 are refused')
}

async function tlsCertificate (visit: Visit): Promise<Outcome> {
  const problem = certificateProblem(await visit.connect(visit.settings.url, { rejectUnauthorized: false }))
  return problem === null ? pass('the certificate was verified') : fail(`the certificate was not verified: ${problem}`)
}

async function hsts (visit: Visit): Promise<Outcome> {
  const { url } = visit.settings
  const { headers: { 'strict-transport-security': policy } } = await visit.http({ method: 'GET', url: new URL(`https://${url.host}/`) })
  if (policy === undefined) return fail('no Strict-Transport-Security')
  return Number(/max-age="?(\d+)/i.exec(policy)?.[1] ?? 0) > 0 ? pass(`Strict-Transport-Security: ${policy}`) : fail(`Strict-Transport-Security: ${policy}`)
}

async function drain (visit: Visit): Promise<Outcome> {
  const { firstFrame, token } = visit.settings
  const peer = firstFrame && token !== undefined && visit.canBeLetIn ? await visit.beLetIn() : await visit.enter()
  visit.announceDrain()
  const ending = await peer.ending(visit.settings.drain)
  if (ending === undefined) return unknown(`the server did not stop within ${visit.settings.drain / 1_000} s`)
  const end = await visit.describeEnd(peer)
  return ending.code === 1001 || ending.code === 1012 ? pass(`a server that stops: ${end}`) : fail(`a server that stops: ${end}, and not 1012 or 1001`)
}

const inside: Probe = async () => skipped('nobody can see it from outside')

export const aroundProbes = {
  tls,
  'tls-version': tlsVersion,
  'tls-certificate': tlsCertificate,
  hsts,
  drain,
  'ticket-hash': inside,
  logs: inside,
  revocation: inside,
  'fail-closed': inside
} satisfies Record<string, Probe>
