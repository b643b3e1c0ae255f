import type { Entry, State } from './entry.js'

/** The name of all messages to other nodes. */
export const NAME = 'airlock:presence'

/** Most bytes of users in one message. Every bus takes it. */
const PAGE_BYTES = 64 * 1024

/** Most bytes of one user, whose id may have any length. More would keep all the others back. */
const MAX_USER_BYTES = 192 * 1024

/** Most messages that one picture may come in. */
const MAX_PAGES = 10_000

/** A user in a topic: gone, there, or there with a state. */
export type Tuple = [subject: string] | [subject: string, connections: number] | [subject: string, connections: number, at: number, state: unknown]

/** Users by topic. */
export type Users = Array<[topic: string, users: Tuple[]]>

/**
 * What a node tells others of the users of its own connections. `life` grows with each start of the node, and `version` by one with each
 * change in a life.
 */
export type BusMessage =
  /** What has changed since the version before. */
  | { kind: 'change', life: number, version: number, users: Users }
  /** Where it stands. */
  | { kind: 'version', life: number, version: number }
  /** A part of everything, as it is at that version. */
  | { kind: 'page', life: number, version: number, page: number, pages: number, users: Users }
  /** Asks for everything. `life` is the one that the other node has, according to this one. */
  | { kind: 'ask', life: number }
  /** The node begins to shut down, in an orderly way. */
  | { kind: 'bye', life: number }

/** Reads a message of another node; `null` where it is none. */
export function readBusMessage (data: unknown): BusMessage | null {
  if (typeof data !== 'object' || data === null) return null
  const { kind, life, version, page, pages, users } = data as Record<string, unknown>
  if (typeof life !== 'number' || !Number.isFinite(life)) return null
  if (kind === 'ask' || kind === 'bye') return { kind, life }
  if (!isCount(version)) return null
  if (kind === 'version') return { kind, life, version }
  if (!isUsers(users)) return null
  if (kind === 'change') return { kind, life, version, users }
  if (kind !== 'page' || !isCount(page) || !isCount(pages) || pages > MAX_PAGES || page >= pages) return null
  return { kind, life, version, page, pages, users }
}

function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0
}

function isUsers (value: unknown): value is Users {
  return Array.isArray(value) && value.every(part => Array.isArray(part) && typeof part[0] === 'string' && Array.isArray(part[1]) && part[1].every(isTuple))
}

function isTuple (value: unknown): value is Tuple {
  if (!Array.isArray(value)) return false
  const [subject, connections, at, state] = value as unknown[]
  if (typeof subject !== 'string' || subject === '') return false
  if (value.length === 1) return true
  return isCount(connections) && (value.length === 2 || (value.length === 4 && isCount(at) && state !== undefined))
}

/** What a message says of a user. */
export function tupleOf (subject: string, entry: Entry | undefined): Tuple {
  if (entry === undefined) return [subject]
  const { connections, state } = entry
  return state === undefined ? [subject, connections] : [subject, connections, state.at, state.value]
}

/** The state in a message. */
export function stateOf ([, , at, value]: Tuple): State | undefined {
  return at === undefined ? undefined : { at, value }
}

/** Puts users into messages of a bounded size: one at least. */
export function split (users: Iterable<[topic: string, user: Tuple]>): Users[] {
  const all: Users[] = [[]]
  let bytes = 0
  for (const [topic, user] of users) {
    const more = Buffer.byteLength(JSON.stringify(user)) + Buffer.byteLength(topic)
    if (more > MAX_USER_BYTES) continue
    if (bytes > 0 && bytes + more > PAGE_BYTES) {
      all.push([])
      bytes = 0
    }
    bytes += more
    const page = all.at(-1) as Users
    const last = page.at(-1)
    if (last !== undefined && last[0] === topic) last[1].push(user)
    else page.push([topic, [user]])
  }
  return all
}
