import { inventTicket } from '../scenarios/index.js'
import { fail, type Outcome, pass, type Probe, unknown } from '../outcome.js'
import type { UpgradeShape } from '../upgrade.js'
import { describeStatus, type Visit } from '../visit.js'

type Change = NonNullable<UpgradeShape['change']>

const without = (name: string): Change => lines => lines.filter(line => !line.startsWith(`${name}:`))
const replaced = (name: string, value: string): Change => lines => lines.map(line => line.startsWith(`${name}:`) ? `${name}: ${value}` : line)
const first = (from: string, to: string): Change => ([line = '', ...lines]) => [line.replace(from, to), ...lines]

/** Opening handshakes that are bad (RFC 6455, section 4.2.1; RFC 9112, sections 3.2 and 6). */
const BAD: Readonly<Record<string, Partial<UpgradeShape>>> = {
  'the method POST': { change: first('GET ', 'POST ') },
  'Upgrade: h2c': { change: replaced('Upgrade', 'h2c') },
  'no Sec-WebSocket-Key': { change: without('Sec-WebSocket-Key') },
  'a Sec-WebSocket-Key of 3 bytes': { change: replaced('Sec-WebSocket-Key', 'AAAA') },
  'no Sec-WebSocket-Version': { change: without('Sec-WebSocket-Version') },
  'version 8': { change: replaced('Sec-WebSocket-Version', '8') },
  'version 99': { change: replaced('Sec-WebSocket-Version', '99') },
  'a body': { headers: ['Content-Length: 5'], body: 'hello' },
  'two Host headers': { headers: ['Host: airlock-doctor.invalid'] }
}

/** Those that a proxy may make good again, as it has to write a request of its own. */
const REPAIRED: Readonly<Record<string, Partial<UpgradeShape>>> = {
  'no Connection': { change: without('Connection') },
  'HTTP/1.0': { change: first('HTTP/1.1', 'HTTP/1.0') },
  'another host in the request line': { change: first('GET ', 'GET http://airlock-doctor.invalid') }
}

/** Requests that must not spend a ticket: all that fail before the last check. */
const SPENDERS: Readonly<Record<string, Partial<UpgradeShape>>> = {
  'a plain GET': { change: lines => without('Upgrade')(without('Connection')(lines)).concat('Connection: close') },
  'a HEAD': { change: lines => first('GET ', 'HEAD ')(without('Upgrade')(without('Connection')(lines))).concat('Connection: close') },
  'Upgrade: h2c': BAD['Upgrade: h2c'] as object,
  'a bad key': BAD['a Sec-WebSocket-Key of 3 bytes'] as object,
  'version 8': BAD['version 8'] as object,
  'a body': BAD['a body'] as object,
  'a foreign origin': { origin: 'https://airlock-doctor.invalid' },
  'a wrong subprotocol': { subprotocol: 'airlock.v0' }
}

async function badUpgrade (visit: Visit): Promise<Outcome> {
  const credential = await visit.credential()
  for (const [what, shape] of Object.entries(BAD)) {
    if ((await visit.upgrade({ credential, ...shape })).peer !== null) return fail(`${what}: 101`)
  }
  for (const [what, shape] of Object.entries(REPAIRED)) {
    const { peer } = await visit.upgrade({ credential, ...shape })
    if (peer !== null) return unknown(`${what}: 101. If there is a proxy in front, it has written a good request of its own; if there is none, this is open`)
  }
  return pass(`refused: ${Object.keys({ ...BAD, ...REPAIRED }).join(', ')}`)
}

async function spendsNothing (visit: Visit): Promise<Outcome> {
  const { ticket } = await visit.ticket()
  for (const shape of Object.values(SPENDERS)) await visit.upgrade({ credential: ticket, ...shape })
  if ((await visit.upgrade({ credential: ticket })).peer !== null) return pass(`a ticket is still good after ${Object.keys(SPENDERS).join(', ')}`)
  const spending: string[] = []
  for (const [what, shape] of Object.entries(SPENDERS).slice(0, 6)) {
    const { ticket } = await visit.ticket()
    const { peer } = await visit.upgrade({ credential: ticket, ...shape })
    if (peer === null && (await visit.upgrade({ credential: ticket })).peer === null) spending.push(what)
  }
  return fail(`a ticket is no longer good after ${spending.join(', ') || Object.keys(SPENDERS).slice(6).join(', or ')}`)
}

async function refusalStatus ({ notes }: Visit): Promise<Outcome> {
  if (notes.statuses.length > 0) return fail(notes.statuses.join('; '))
  return notes.refusals > 0 ? pass(`${notes.refusals} refusals have the status that the protocol names`) : unknown('no refusal was seen')
}

async function refusalForm (visit: Visit): Promise<Outcome> {
  const { peer, status, headers, body } = await visit.upgrade({ credential: null })
  if (peer !== null) return unknown('the upgrade was accepted')
  const problems: string[] = []
  if (status === 401 && headers['www-authenticate'] === undefined) problems.push('a 401 without WWW-Authenticate')
  try {
    if ((JSON.parse(body) as { statusCode?: unknown } | null)?.statusCode !== status) problems.push('a body without statusCode')
  } catch {
    problems.push('a body that is no JSON')
  }
  return problems.length > 0 ? fail(problems.join(', ')) : pass(`HTTP ${status} in JSON`)
}

async function refusalLeak (visit: Visit): Promise<Outcome> {
  const credential = visit.secrets.add(inventTicket(), 'invented ticket')
  for (const shape of [{}, { url: new URL('/airlock-doctor', visit.settings.url) }]) {
    const { peer, headers, body, status } = await visit.upgrade({ credential, query: [`ticket=${credential}`], ...shape })
    if (peer === null && (body + JSON.stringify(headers)).includes(credential)) return fail(`${describeStatus(status)} repeats the credential of the request`)
  }
  return pass('two refusals do not repeat the credential')
}

async function refusalEnds (visit: Visit): Promise<Outcome> {
  const { peer, connection, status } = await visit.upgrade({ credential: null })
  if (peer !== null) return unknown('the upgrade was accepted')
  if (await connection.end(Math.min(visit.patience, 2_000))) return pass(`the connection ends after ${describeStatus(status)}`)
  connection.write(`GET / HTTP/1.1\r\nHost: ${visit.settings.url.host}\r\nConnection: close\r\n\r\n`)
  if (await connection.head(visit.patience) !== undefined) return unknown('the connection goes on to serve requests, as a proxy in front does')
  return connection.ended ? pass(`the connection ends after ${describeStatus(status)}`) : fail(`the connection stays open after ${describeStatus(status)}, and nobody reads it`)
}

async function jwtInUrl (visit: Visit): Promise<Outcome> {
  const token = visit.settings.token as string
  for (const name of ['token', 'access_token', 'jwt', 'auth', 'authorization']) {
    const { peer } = await visit.upgrade({ credential: null, query: [`${name}=${token}`] })
    if (peer !== null) return (await visit.upgrade({ credential: null })).peer === null ? fail(`?${name}=<jwt>: 101`) : unknown('the upgrade is accepted without any credential')
  }
  return pass('a JWT in none of five parameters opens the door')
}

async function carrierEcho (visit: Visit): Promise<Outcome> {
  const { subprotocol, carrier, carrierName } = visit.settings
  const real = subprotocol === false ? [] : [subprotocol]
  for (const prefix of new Set(['ticket.', 'bearer.', ...(carrier === 'subprotocol' ? [carrierName] : [])])) {
    const own = carrier === 'subprotocol' && prefix === carrierName
    const credential = await visit.credential() ?? inventTicket()
    const { peer, headers } = await visit.upgrade({ credential: own ? null : credential, protocols: [prefix + credential, ...real] })
    const selected = headers['sec-websocket-protocol']?.join(', ') ?? ''
    if (peer !== null && selected.startsWith(prefix)) return fail(`the 101 selects ${prefix}…, which is the credential`)
  }
  return pass('no 101 selects a carrier, though it is offered first')
}

export const upgradeProbes = {
  'bad-upgrade': badUpgrade,
  'spends-nothing': spendsNothing,
  'refusal-status': refusalStatus,
  'refusal-form': refusalForm,
  'refusal-leak': refusalLeak,
  'refusal-ends': refusalEnds,
  'jwt-in-url': jwtInUrl,
  'carrier-echo': carrierEcho
} satisfies Record<string, Probe>
