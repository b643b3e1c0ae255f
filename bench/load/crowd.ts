import type { Peer } from '../lib/peer.js'
import { open, type Target, withTickets } from './flow.js'

/** Connections to one server that stay. */
interface Crowd {
  peers: Peer[]
  missing: number
  lastAt: number
  everybodyHasIt?: () => void
}

const crowds = new Map<number, Crowd>()

function crowdOf (port: number): Crowd {
  let crowd = crowds.get(port)
  if (crowd === undefined) crowds.set(port, crowd = { peers: [], missing: 0, lastAt: 0 })
  return crowd
}

/** Opens connections that stay. */
export async function enter (target: Target, tokens: readonly string[], workers: number): Promise<void> {
  const { peers } = crowdOf(target.port)
  await withTickets(target, tokens, async credential => { peers.push(await open(target, credential)) }, workers)
}

/** Counts from now on until every connection has got so many bytes. */
export function expect (port: number, bytes: number): void {
  const crowd = crowdOf(port)
  crowd.missing = crowd.peers.length
  for (const peer of crowd.peers) {
    let left = bytes
    peer.onData = count => {
      left -= count
      if (left > 0) return
      peer.onData = undefined
      if (--crowd.missing > 0) return
      crowd.lastAt = Number(process.hrtime.bigint())
      crowd.everybodyHasIt?.()
    }
  }
}

/** When the last of them had everything: nanoseconds on the machine's clock. */
export async function arrived (port: number): Promise<number> {
  const crowd = crowdOf(port)
  if (crowd.missing > 0) await new Promise<void>(resolve => { crowd.everybodyHasIt = resolve })
  return crowd.lastAt
}

/** Closes all of them at once. */
export function leave (port: number): void {
  for (const { socket } of crowdOf(port).peers) socket.resetAndDestroy()
  crowds.delete(port)
}

/** Every connection sends a message, and the next one once it has the answer. */
export async function echo (port: number, frame: Buffer, answer: number, messages: number): Promise<void> {
  const { peers } = crowdOf(port)
  const each = Math.ceil(messages / peers.length)
  await Promise.all(peers.map(async peer => {
    await new Promise<void>((resolve, reject) => {
      let [left, rounds] = [answer, each]
      const closed = (): void => reject(new Error('the server has closed a connection'))
      peer.socket.once('close', closed)
      peer.onData = count => {
        left -= count
        if (left > 0) return
        left = answer
        if (--rounds > 0) {
          peer.socket.write(frame)
          return
        }
        peer.socket.off('close', closed)
        peer.onData = undefined
        resolve()
      }
      peer.socket.write(frame)
    })
  }))
}
