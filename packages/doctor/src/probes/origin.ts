import { fail, type Outcome, pass, type Probe } from '../outcome.js'
import { describeStatus, type Visit } from '../visit.js'

async function foreignOrigin (visit: Visit): Promise<Outcome> {
  const origin = 'https://airlock-doctor.invalid'
  const { peer, status } = await visit.upgrade({ credential: await visit.credential(), origin })
  return peer === null ? pass(`${origin}: ${describeStatus(status)}`) : fail(`${origin}: 101`)
}

/** Origins that a careless comparison takes for the right one. */
export function lookalikes (origin: string): string[] {
  const { protocol, host, hostname, port } = new URL(origin)
  return [
    `${protocol}//${hostname}.airlock-doctor.invalid`,
    `${protocol}//airlock-doctor-${hostname.replace(/^\[|\]$/g, '').replaceAll(':', '-')}`,
    `${protocol}//airlock-doctor.invalid/${host}`,
    `${protocol}//airlock-doctor.invalid?${origin}`,
    `${protocol}//${host}@airlock-doctor.invalid`,
    `${protocol}//${hostname}:${Number(port || 443) === 9 ? 19 : 9}`
  ]
}

async function lookalikeOrigin (visit: Visit): Promise<Outcome> {
  const credential = await visit.credential()
  const origins = lookalikes(visit.settings.origin)
  for (const origin of origins) {
    if ((await visit.upgrade({ credential, origin })).peer !== null) return fail(`${origin}: 101`)
  }
  return pass(`refused: ${origins.join(', ')}`)
}

async function missingOrigin (visit: Visit): Promise<Outcome> {
  const { peer, status } = await visit.upgrade({ credential: await visit.credential(), carrier: 'cookie', origin: false })
  return peer === null ? pass(`a ticket in a cookie, without an Origin: ${describeStatus(status)}`) : fail('a ticket in a cookie, without an Origin: 101')
}

export const originProbes = {
  'foreign-origin': foreignOrigin,
  'lookalike-origin': lookalikeOrigin,
  'missing-origin': missingOrigin
} satisfies Record<string, Probe>
