import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { post } from './http.js'
import { type Connection, type Ledger, type Numbered, type Presentation, type Ticket } from './ledger.js'
import type { NodeProcess } from './node-process.js'
import { PATIENT, ROOMS, SUBJECTS, TICKET_LIFE } from './settings.js'

export function pick<T> (list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}

/** Where visitors come and go; `signal` sends them home. */
export interface Place { ledger: Ledger, nodes: readonly NodeProcess[], signal: AbortSignal }

let sessions = 0

/** Comes and goes until told to go home: a new login, a new ticket, and what some client may do with them, good or odd. */
export async function visit (place: Place): Promise<void> {
  while (!place.signal.aborted) {
    await once(place)
    await rest(place, 50 + Math.random() * 500)
  }
}

async function rest ({ signal }: Place, time: number): Promise<void> {
  await sleep(time, undefined, { signal }).catch(() => {})
}

async function once (place: Place): Promise<void> {
  const { ledger, nodes } = place
  const subject = `user ${Math.floor(Math.random() * SUBJECTS)}`
  const session = `session ${++sessions}`
  const token = await login(place, subject, session)
  if (token === null) return await rest(place, 300)
  const issuer = pick(nodes)
  const asked = Date.now()
  const answer = await post(issuer.port, '/ws/ticket', undefined, token)
  // An order may have come between login and ticket.
  if (answer.status !== 201) return await rest(place, 300)
  const ticket: Ticket = { value: answer.body.ticket, subject, session, issuer: issuer.index, asked, answered: Date.now(), presented: [] }
  const way = Math.random()
  if (way < 0.03) {
    await rest(place, TICKET_LIFE + 200)
    if (Date.now() >= ticket.answered + TICKET_LIFE) await stay(place, ticket, token, 0)
  } else if (way < 0.08) {
    await Promise.all(Array.from({ length: 4 }, async () => await stay(place, ticket, token, 200)))
  } else if (way < 0.13) {
    await stay(place, ticket, token, 100)
    await stay(place, ticket, token, 100)
  } else if (way >= 0.15) {
    // Most stay for seconds, and some for longer than their token lives.
    await stay(place, ticket, token, Math.random() < 0.2 ? 90_000 * Math.random() : 12_000 * Math.random())
  }
  ledger.settle(ticket)
}

async function login ({ nodes }: Place, subject: string, session: string): Promise<string | null> {
  const { status, body } = await post(pick(nodes).port, '/login', { subject, session })
  return status === 200 ? body.token : null
}

/** Redeems a ticket and stays for a while, if it is let in. */
async function stay (place: Place, ticket: Ticket, token: string, time: number): Promise<void> {
  const { ledger, nodes, signal } = place
  const node = pick(nodes)
  const path = pick(['/both', '/both', '/one'])
  const room = String(Math.floor(Math.random() * ROOMS))
  const connection: Connection = { ticket, node: node.index, room, isOpen: false, isReady: false, left: new Set(), last: new Map(), echoes: 0 }
  const presentation: Presentation = { from: Date.now(), to: Infinity, status: 0, node: node.index }
  ticket.presented.push(presentation)
  ledger.begin(connection)
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}${path}?room=${room}`, ['airlock.v1', `ticket.${ticket.value}`], { handshakeTimeout: PATIENT, perMessageDeflate: false })
  const leaving = new AbortController()
  let said = 0
  const talk = setInterval(() => {
    if (connection.isReady && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'say', n: said++ }))
  }, 400)
  socket.on('error', () => {})
  socket.on('unexpected-response', (_request, response) => {
    presentation.status = response.statusCode as number
    response.resume()
    socket.terminate()
  })
  socket.on('open', () => {
    Object.assign(presentation, { status: 101, to: Date.now() })
    if (path === '/both') socket.send(JSON.stringify({ type: 'auth', token }))
    else ledger.opened(connection)
  })
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string }
    if (message.type === 'pub') ledger.message(connection, message as unknown as Numbered)
    else if (message.type === 'echo') ledger.echo(connection, (message as unknown as { n: number }).n)
    else if (message.type === 'auth_ok') ledger.opened(connection)
    else if (message.type === 'ready') connection.isReady = true
    else if (message.type === 'left') ledger.left(connection, (message as unknown as { topic: string }).topic)
    else if (message.type === 'expiring') {
      login(place, ticket.subject, ticket.session).then(token => {
        if (token !== null && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'refresh', token }))
      }, () => {})
    }
  })
  const closed = new Promise<void>(resolve => socket.on('close', (code, reason) => {
    if (presentation.to === Infinity) presentation.to = Date.now()
    ledger.ended(connection, code, reason.toString())
    leaving.abort()
    resolve()
  }))
  await sleep(time, undefined, { signal: AbortSignal.any([signal, leaving.signal]) }).catch(() => {})
  if (socket.readyState === WebSocket.CONNECTING) await Promise.race([closed, new Promise(resolve => socket.once('open', resolve))])
  if (Math.random() < 0.3) socket.terminate()
  else socket.close(1000)
  await closed
  clearInterval(talk)
}
