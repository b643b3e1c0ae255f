import { claimsOf } from '../jwt.js'
import { fail, type Outcome, pass, type Probe, unknown } from '../outcome.js'
import { changePayload } from '../scenarios/index.js'
import { hasMembers, type Visit } from '../visit.js'

const MIB = 1_048_576

/** Shows a token on an open connection; `true` if the server takes it. */
async function showsAgain (visit: Visit, token: string): Promise<{ taken: boolean, end: string }> {
  const peer = await visit.beLetIn()
  peer.send((visit.settings.refreshMessage as string).replaceAll('%TOKEN%', token))
  const answer = await peer.message(({ json }) => hasMembers(json, visit.settings.refreshOk), visit.settings.authTimeout + visit.patience)
  return { taken: answer !== undefined, end: await visit.describeEnd(peer) }
}

function refused (tokenOf: (visit: Visit) => string, what: string): Probe {
  return async visit => {
    const { taken, end } = await showsAgain(visit, tokenOf(visit))
    return taken ? fail(`a refresh with ${what} is taken`) : pass(`a refresh with ${what}: ${end}`)
  }
}

async function refresh (visit: Visit): Promise<Outcome> {
  const { taken, end } = await showsAgain(visit, visit.settings.token as string)
  return taken ? pass('a refresh is answered') : fail(`a refresh with a good JWT: ${end}`)
}

async function refreshFlood (visit: Visit): Promise<Outcome> {
  const peer = await visit.beLetIn()
  const message = (visit.settings.refreshMessage as string).replaceAll('%TOKEN%', visit.settings.token as string)
  for (let count = 1; count <= 60; count++) {
    peer.send(message)
    const answers = (): number => peer.messages.filter(({ json }) => hasMembers(json, visit.settings.refreshOk)).length
    await peer.message(() => answers() >= count, visit.patience)
    if (answers() < count) return peer.closing === null ? unknown(`no answer to refresh ${count}`) : pass(`the ${count}th refresh in a row: ${await visit.describeEnd(peer)}`)
  }
  return fail('60 refreshes in a row are answered')
}

async function expiry (visit: Visit): Promise<Outcome> {
  const { shortToken, grace, patience } = visit.settings
  const left = Number(claimsOf(shortToken as string).exp) * 1_000 - Date.now()
  const peer = await visit.beLetIn(shortToken)
  const ending = await peer.ending(Math.max(0, left || 0) + grace + patience)
  if (ending === undefined) return fail(`still open ${(grace + patience) / 1_000} s after the JWT has expired`)
  return pass(`after the JWT has expired: ${await visit.describeEnd(peer)}`)
}

async function closeCodes ({ notes }: Visit): Promise<Outcome> {
  if (notes.codes.length > 0) return fail(notes.codes.join('; '))
  return notes.closes > 0 ? pass(`${notes.closes} closes have the code that the protocol names`) : unknown('no close was seen')
}

async function authError ({ notes }: Visit): Promise<Outcome> {
  if (notes.errors.length > 0) return fail([...new Set(notes.errors)].join('; '))
  return notes.closes > 0 ? pass(`each of ${notes.closes} closes was announced`) : unknown('no close was seen')
}

async function closeCut (visit: Visit): Promise<Outcome> {
  const peer = await visit.enter()
  peer.mute = true
  peer.send('airlock-doctor: no auth message')
  if (await peer.ending(visit.settings.authTimeout + visit.patience) === undefined) return unknown('the server does not close')
  // Reading goes on, so that the end is seen; nothing is answered.
  return await peer.connection.end(visit.patience) ? pass('a peer that does not answer the close frame is cut') : fail(`a peer that does not answer the close frame is still there after ${visit.patience / 1_000} s`)
}

async function closeAnswer (visit: Visit): Promise<Outcome> {
  const peer = await visit.enter()
  peer.close()
  const ending = await peer.ending(visit.patience)
  if (ending === undefined) return fail('a close frame gets no answer')
  return ending.code === 1006 ? fail('a close frame gets no answer: the connection was cut') : pass(`a close frame is answered with ${ending.code}`)
}

/** Sends what a server has to refuse once a client is in, as far as the doctor gets. */
async function sends (visit: Visit, bytes: string, options: { length?: number, masked?: boolean }): Promise<string | null> {
  const peer = visit.settings.firstFrame && visit.settings.token !== undefined && visit.canBeLetIn ? await visit.beLetIn() : await visit.enter()
  peer.send(bytes, options)
  return await peer.ending(visit.patience) === undefined ? null : await visit.describeEnd(peer)
}

async function payloadLimit (visit: Visit): Promise<Outcome> {
  const end = await sends(visit, 'x', { length: 64 * MIB })
  return end === null ? fail('a message that announces 64 MiB is waited for') : pass(`a message that announces 64 MiB: ${end}`)
}

async function masking (visit: Visit): Promise<Outcome> {
  const end = await sends(visit, 'x', { masked: false })
  return end === null ? fail('a frame without a mask is taken') : pass(`a frame without a mask: ${end}`)
}

async function compression (visit: Visit): Promise<Outcome> {
  const { peer, headers } = await visit.upgrade({ credential: await visit.credential(), headers: ['Sec-WebSocket-Extensions: permessage-deflate'] })
  if (peer === null) return pass('an upgrade that offers compression is refused')
  const extensions = headers['sec-websocket-extensions']?.join(', ') ?? ''
  return extensions.includes('permessage-deflate') ? fail(`the 101 has Sec-WebSocket-Extensions: ${extensions}`) : pass('the 101 takes no compression')
}

export const laterProbes = {
  refresh,
  'refresh-subject': refused(({ settings }) => settings.secondToken as string, 'the JWT of another user'),
  'refresh-forged': refused(({ settings }) => changePayload(settings.token as string, { role: 'owner' }), 'changed claims'),
  'refresh-scope': refused(({ settings }) => settings.widerToken as string, 'more rights'),
  'refresh-flood': refreshFlood,
  expiry,
  'close-codes': closeCodes,
  'auth-error': authError,
  'close-cut': closeCut,
  'close-answer': closeAnswer,
  'payload-limit': payloadLimit,
  masking,
  compression
} satisfies Record<string, Probe>
