import type { Answer, Attempt, RawSocket, Tools } from './scenarios/index.js'
import type { Peer } from './peer.js'
import type { Upgrade, UpgradeShape } from './upgrade.js'
import type { Visit } from './visit.js'

/** Lets the scenarios of the page loose on a server of the doctor's. */
export function toolsOf (visit: Visit): Tools {
  const { settings } = visit
  return {
    open ({ ticket, another, subprotocol, route }: Attempt): RawSocket {
      const beside = settings.carrier === 'query' ? 'cookies' : 'query'
      return rawSocket(visit, visit.upgrade({
        ...credentialOf(ticket ?? NONE),
        ...(another !== undefined && { [beside]: [`ticket=${another}`] }),
        ...(subprotocol !== undefined && { subprotocol }),
        ...(route !== undefined && { url: settings.forbiddenUrl as URL })
      }))
    },
    async openElsewhere (ticket) {
      return await answerOf(await visit.upgrade({ ...credentialOf(ticket), origin: 'null' }))
    },
    async ticket () {
      if (visit.hasTickets) return await visit.ticket()
      return { ticket: await visit.credential() ?? NONE, expiresIn: 0 }
    },
    token: async () => settings.token as string,
    otherToken: async () => settings.secondToken as string,
    auth: token => JSON.parse(visit.auth(token)) as object,
    wait: async ms => await visit.sleep(ms)
  }
}

/** Stands for a credential where a server asks for none. */
const NONE = ''

function credentialOf (ticket: string): Pick<UpgradeShape, 'credential'> {
  return { credential: ticket === NONE ? null : ticket }
}

function rawSocket (visit: Visit, pending: Promise<Upgrade>): RawSocket {
  const peers = pending.then(({ peer }) => peer)
  const longest = visit.settings.authTimeout + visit.patience
  /** Messages that came before the first of ours; `null` until then. */
  let before: number | null = null
  /** The application's answer to who has not shown a JWT. */
  const answered = (peer: Peer): string | undefined => {
    if (before === null || peer.messages.some(message => visit.isWelcome(message))) return undefined
    return peer.messages.slice(before).find(({ json }) => (json as { type?: unknown } | undefined)?.type !== 'auth_error')?.text
  }
  const send = async (text: string): Promise<void> => {
    const peer = await peers
    if (peer === null) return
    before ??= peer.messages.length
    peer.send(text)
  }
  // Rejections reach whoever asks for one of the promises below.
  pending.catch(() => {})
  return {
    opened: silent(peers.then(peer => peer !== null)),
    get welcomed () {
      return peers.then(async peer => {
        if (peer === null) return false
        const message = await peer.message(message => visit.isWelcome(message) || answered(peer) !== undefined, longest)
        return message !== undefined && visit.isWelcome(message)
      })
    },
    get ended () {
      return pending.then(async upgrade => {
        const { peer } = upgrade
        if (peer === null) return answerOf(upgrade)
        const end = await peer.connection.until(() => answered(peer) ?? (peer.closing === null ? undefined : ''), longest)
        if (end !== undefined && end !== '') return { kind: 'in', what: `the application answered: ${end.slice(0, 100)}` } satisfies Answer
        const ending = await peer.ending(0)
        if (before === null) visit.notes.greeting = [...visit.notes.greeting ?? [], ...peer.messages.filter(({ json }) => (json as { type?: unknown } | undefined)?.type !== 'auth_error').map(({ text }) => text)]
        if (ending === undefined) return { kind: 'in', what: `still open after ${longest / 1_000} s` } satisfies Answer
        noteEnding(visit, ending.announced, ending)
        return { kind: 'closed', code: ending.code, reason: ending.reason, announced: ending.announced !== null } satisfies Answer
      })
    },
    send: message => { send(typeof message === 'string' ? message : JSON.stringify(message)).catch(() => {}) },
    close: () => { peers.then(peer => peer?.leave(), () => {}) }
  }
}

/** Keeps a rejection that nobody waits for from ending the process. */
function silent <T> (promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function answerOf ({ status, body, peer }: Upgrade): Answer {
  if (peer !== null) return { kind: 'in', what: '101: the upgrade was accepted' }
  if (status === 0) return { kind: 'refused', refusal: null }
  const { code, message } = parse(body)
  return { kind: 'refused', refusal: { statusCode: status, code: String(code ?? ''), message: String(message ?? '') } }
}

function noteEnding ({ notes }: Visit, announced: { code: unknown, reason: unknown } | null, { code, reason }: { code: number, reason: string }): void {
  if (code < 4_000) return
  notes.closes++
  if (announced === null) notes.errors.push(`${code} without an auth_error before it`)
  else if (announced.code !== code || announced.reason !== reason) notes.errors.push(`auth_error with ${String(announced.code)} before a close with ${code}`)
}

function parse (body: string): { code?: unknown, message?: unknown } {
  try {
    return (JSON.parse(body) ?? {}) as { code?: unknown, message?: unknown }
  } catch {
    return {}
  }
}
