import { SUBPROTOCOL, TICKET_PATTERN } from '@fastify-airlock/protocol'
import { isJwt } from '../jwt.js'
import { fail, type Outcome, pass, type Probe, unknown } from '../outcome.js'
import { changePayload, inventTicket, withoutSignature } from '../scenarios/index.js'
import type { UpgradeShape } from '../upgrade.js'
import type { Visit } from '../visit.js'

const RACERS = 50
const LONGEST_LIFE_S = 900

async function ticketRace (visit: Visit): Promise<Outcome> {
  const { ticket } = await visit.ticket()
  const racers = await Promise.all(Array.from({ length: RACERS }, async () => await visit.prepare({ credential: ticket })))
  const answers = await Promise.all(racers.map(async race => await race()))
  const winners = answers.filter(({ peer }) => peer !== null).length
  if (winners > 1) return fail(`${winners} of ${RACERS} got a 101 with one ticket`)
  return winners === 1 ? pass(`1 of ${RACERS} got a 101`) : unknown(`none of ${RACERS} got a 101`)
}

async function severalCredentials (visit: Visit): Promise<Outcome> {
  const { subprotocol } = visit.settings
  const real = subprotocol === false ? [] : [subprotocol]
  const doubles: Record<string, (ticket: string, other: string) => Omit<UpgradeShape, 'credential'>> = {
    'two values of the subprotocol': (ticket, other) => ({ protocols: [...real, `ticket.${ticket}`, `ticket.${other}`] }),
    'a parameter twice': (ticket, other) => ({ carrier: 'query', query: [`ticket=${ticket}`, `ticket=${other}`] }),
    'a cookie twice': (ticket, other) => ({ carrier: 'cookie', cookies: [`ticket=${ticket}`, `ticket=${other}`] }),
    'a parameter and a cookie': (ticket, other) => ({ query: [`ticket=${ticket}`], cookies: [`ticket=${other}`] })
  }
  for (const [what, shape] of Object.entries(doubles)) {
    const { ticket } = await visit.ticket()
    if ((await visit.upgrade({ credential: null, ...shape(ticket, inventTicket()) })).peer !== null) return fail(`${what}: 101`)
  }
  return pass(`refused: ${Object.keys(doubles).join(', ')}`)
}

async function ticketForm (visit: Visit): Promise<Outcome> {
  const seen = new Set<string>()
  for (let count = 1; count <= 3; count++) {
    const { ticket, status, expiresIn, body } = await visit.askForTicket()
    if (ticket === null) return unknown(`HTTP ${status} without a ticket`)
    if (!TICKET_PATTERN.test(ticket)) return fail(`a ticket of ${ticket.length} characters, and not 43 of base64url`)
    if (status !== 201) return fail(`HTTP ${status}, and not 201`)
    if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > LONGEST_LIFE_S) return fail(`expiresIn is ${expiresIn}, and not a whole number from 1 to ${LONGEST_LIFE_S}`)
    if ((JSON.parse(body) as { protocol?: unknown }).protocol !== SUBPROTOCOL) return fail(`protocol is not ${SUBPROTOCOL}`)
    // 16 characters are 96 bits: those of a random source differ.
    for (const part of [ticket.slice(0, 16), ticket.slice(-16)]) {
      if (seen.has(part)) return fail('two tickets have 16 characters in common')
      seen.add(part)
    }
  }
  return pass('three tickets of 43 characters, each different')
}

async function ticketMethod (visit: Visit): Promise<Outcome> {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
    const { ticket, status } = await visit.askForTicket({ method })
    if (ticket !== null || status === 201) return fail(`${method}: HTTP ${status}, with a ticket`)
  }
  return pass('GET, HEAD, PUT and DELETE issue no ticket')
}

async function ticketLogin (visit: Visit): Promise<Outcome> {
  const { token } = visit.settings
  const logins: Record<string, Record<string, string>> = {
    'no login': {},
    'a token that is none': { authorization: 'Bearer airlock-doctor' },
    ...(token !== undefined && isJwt(token) && {
      'a JWT with changed claims': { authorization: `Bearer ${changePayload(token, { airlock: 'doctor' })}` },
      'a JWT without a signature': { authorization: `Bearer ${withoutSignature(token)}` }
    })
  }
  for (const [what, headers] of Object.entries(logins)) {
    const { ticket, status } = await visit.askForTicket({ headers })
    if (ticket !== null) return fail(`${what}: HTTP ${status}, with a ticket`)
  }
  return pass(`no ticket for ${Object.keys(logins).join(', ')}`)
}

async function ticketNoStore (visit: Visit): Promise<Outcome> {
  for (const headers of [visit.login(), {}]) {
    const { status, headers: { 'cache-control': cacheControl = 'no Cache-Control' } } = await visit.askForTicket({ headers })
    if (!cacheControl.includes('no-store')) return fail(`HTTP ${status}: ${cacheControl}`)
  }
  return pass('Cache-Control: no-store, with a ticket and with a refusal')
}

async function ticketElsewhere (visit: Visit): Promise<Outcome> {
  const { ticket, headers, status } = await visit.askForTicket()
  if (ticket === null) return typeof headers.location === 'string' && /[?&#]\w*=?[\w-]{32,}/.test(headers.location) ? fail(`HTTP ${status} with a Location that holds what looks like a ticket`) : unknown(`HTTP ${status} without a ticket`)
  const repeated = Object.entries(headers).filter(([, value]) => String(value).includes(ticket)).map(([name]) => name)
  if (repeated.length > 0) return fail(`the ticket stands in ${repeated.join(', ')} as well`)
  if (headers['content-type']?.startsWith('application/json') !== true) return fail(`the type of the body is ${headers['content-type'] ?? 'missing'}, and not application/json`)
  return pass('the ticket stands in a body of JSON alone')
}

async function ticketCors (visit: Visit): Promise<Outcome> {
  const origin = 'https://airlock-doctor.invalid'
  for (const method of ['POST', 'OPTIONS']) {
    const { headers } = await visit.askForTicket({
      method,
      headers: method === 'POST' ? { ...visit.login(), origin } : { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
    })
    const allowed = headers['access-control-allow-origin']
    if (allowed === origin || allowed === 'null') return fail(`${method} from ${origin}: Access-Control-Allow-Origin: ${allowed}`)
  }
  return pass(`no Access-Control-Allow-Origin for ${origin}`)
}

async function ticketBody (visit: Visit): Promise<Outcome> {
  const bodies: Record<string, string> = { 'a body of 4 KiB': JSON.stringify({ padding: 'x'.repeat(4_096) }), 'a body that is no JSON': '{', 'an audience that is a number': '{"audience":1}' }
  for (const [what, body] of Object.entries(bodies)) {
    const { status } = await visit.askForTicket({ headers: { ...visit.login(), 'content-type': 'application/json' }, body })
    if (status < 400 || status > 499) return fail(`${what}: HTTP ${status}`)
  }
  return pass(`refused: ${Object.keys(bodies).join(', ')}`)
}

async function retryAfter (visit: Visit): Promise<Outcome> {
  const { busy } = visit.notes
  for (let count = 1; count <= 70 && busy.answers === 0; count++) await visit.askForTicket()
  if (busy.answers === 0) return fail('70 tickets at once, and no 429')
  return busy.withTime === busy.answers ? pass(`${busy.answers} answers 429 or 503, each with Retry-After`) : fail(`${busy.answers - busy.withTime} of ${busy.answers} answers 429 or 503 without Retry-After`)
}

export const ticketProbes = {
  'ticket-race': ticketRace,
  'several-credentials': severalCredentials,
  'ticket-form': ticketForm,
  'ticket-method': ticketMethod,
  'ticket-login': ticketLogin,
  'ticket-no-store': ticketNoStore,
  'ticket-elsewhere': ticketElsewhere,
  'ticket-cors': ticketCors,
  'ticket-body': ticketBody,
  'retry-after': retryAfter
} satisfies Record<string, Probe>
