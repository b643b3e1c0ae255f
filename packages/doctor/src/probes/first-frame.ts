import { randomBytes } from 'node:crypto'
import { fail, type Outcome, pass, type Probe, skipped, unknown } from '../outcome.js'
import type { Peer } from '../peer.js'
import { changePayload } from '../scenarios/index.js'
import type { Visit } from '../visit.js'

const MIB = 1_048_576

async function quiet ({ notes: { greeting } }: Visit): Promise<Outcome> {
  if (greeting === null) return unknown('the rule "silence" was not looked at')
  return greeting.length === 0 ? pass('a client that says nothing hears nothing') : fail(`a client that had shown nothing heard: ${(greeting[0] as string).slice(0, 100)}`)
}

/** What is no auth message. */
function malformed (visit: Visit): Record<string, string | Buffer> {
  const auth = visit.auth(visit.settings.token as string)
  return {
    'the JWT alone': visit.settings.token as string,
    'JSON that does not end': auth.slice(0, -1),
    'a list': `[${auth}]`,
    'an empty token': visit.auth(''),
    'a token that is a number': auth.replace(`"${visit.settings.token as string}"`, '1'),
    null: 'null',
    'the JWT in a binary message': Buffer.from(auth)
  }
}

async function firstFrameForm (visit: Visit): Promise<Outcome> {
  const kinds = malformed(visit)
  for (const [what, message] of Object.entries(kinds)) {
    const peer = await visit.enter()
    peer.send(message)
    // A server that takes no notice is silent here, so an honest first frame is behind it.
    if (typeof message === 'string') peer.send(visit.auth(visit.settings.token as string))
    if (await visit.welcome(peer) !== undefined) return fail(`${what}: let in`)
  }
  return pass(`refused: ${Object.keys(kinds).join(', ')}`)
}

async function endlessFrame (visit: Visit): Promise<Outcome> {
  const peer = await visit.enter()
  peer.send('x'.repeat(9_000), { length: 64 * MIB })
  const ending = await peer.ending(visit.settings.authTimeout + visit.patience)
  if (ending === undefined) return fail('a first frame that announces 64 MiB is waited for')
  return ending.code === 4408 ? fail('a first frame that announces 64 MiB is waited for until the deadline: 4408') : pass(`64 MiB announced, 9,000 bytes sent: ${await visit.describeEnd(peer)}`)
}

async function oneAttempt (visit: Visit): Promise<Outcome> {
  const token = visit.settings.token as string
  const peer = await visit.enter()
  peer.sendAll([visit.auth(changePayload(token, { airlock: 'doctor' })), visit.auth(token)])
  return await visit.welcome(peer) === undefined ? pass(`a wrong JWT and the right one behind it: ${await visit.describeEnd(peer)}`) : fail('a wrong JWT and the right one behind it: let in')
}

function echo ({ settings }: Visit): { text: string, nonce: string } {
  const nonce = randomBytes(9).toString('hex')
  return { text: settings.echo.replaceAll('%NONCE%', nonce), nonce }
}

/** Whether the application answers, which shows that it handles messages. */
async function answers (visit: Visit, peer: Peer): Promise<boolean> {
  const { text, nonce } = echo(visit)
  peer.send(text)
  return await peer.message(message => message.text.includes(nonce), Math.min(visit.patience, 3_000)) !== undefined
}

const NO_ECHO = 'the application does not answer the message of --echo, so nobody can tell'

async function earlyDropped (visit: Visit): Promise<Outcome> {
  const honest = await visit.beLetIn()
  if (!await answers(visit, honest)) return skipped(NO_ECHO)
  honest.leave()
  const peer = await visit.enter()
  const { text, nonce } = echo(visit)
  peer.sendAll([visit.auth(changePayload(visit.settings.token as string, { airlock: 'doctor' })), text])
  const heard = await peer.message(message => message.text.includes(nonce), visit.settings.authTimeout + visit.patience)
  return heard === undefined ? pass(`a message behind a wrong JWT: ${await visit.describeEnd(peer)}`) : fail('a message behind a wrong JWT was answered')
}

async function earlyOrder (visit: Visit): Promise<Outcome> {
  const honest = await visit.beLetIn()
  if (!await answers(visit, honest)) return skipped(NO_ECHO)
  honest.leave()
  const peer = await visit.enter()
  const early = Array.from({ length: 8 }, () => echo(visit))
  peer.sendAll([visit.auth(visit.settings.token as string), ...early.map(({ text }) => text)])
  const position = (nonce: string): number => peer.messages.findIndex(({ text }) => text.includes(nonce))
  await peer.message(() => early.every(({ nonce }) => position(nonce) !== -1), visit.patience)
  const places = early.map(({ nonce }) => position(nonce))
  const welcome = peer.messages.findIndex(message => visit.isWelcome(message))
  if (places.includes(-1)) return fail(`${places.filter(place => place === -1).length} of 8 messages right behind the JWT were lost: ${await visit.describeEnd(peer)}`)
  if (places.some((place, index) => place < welcome || (index > 0 && place < (places[index - 1] as number)))) return fail('messages right behind the JWT were answered before auth_ok, or in another order')
  return pass('8 messages right behind the JWT were answered in their order')
}

async function alias (visit: Visit): Promise<Outcome> {
  const peer = await visit.enter()
  peer.send(JSON.stringify({ type: 'jwt', token: visit.settings.token }))
  return await visit.welcome(peer) === undefined ? fail(`{"type":"jwt"}: ${await visit.describeEnd(peer)}`) : pass('{"type":"jwt"}: let in')
}

export const firstFrameProbes = {
  quiet,
  'first-frame-form': firstFrameForm,
  'endless-frame': endlessFrame,
  'one-attempt': oneAttempt,
  'early-dropped': earlyDropped,
  'early-order': earlyOrder,
  alias
} satisfies Record<string, Probe>
