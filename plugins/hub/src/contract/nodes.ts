import { EventEmitter } from 'node:events'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket } from 'ws'
import { Hub } from '../hub.js'
import { parseHubOptions, type WsHubOptions } from '../options.js'
import type { ContractConnect, ContractTest } from './types.js'
import { until } from './until.js'

/** Two hubs on one bus, both connected. */
export async function openHubs (t: ContractTest, connect: ContractConnect, options: WsHubOptions = {}): Promise<[Hub, Hub]> {
  const open = opener(t, connect, options)
  return [await open(), await open()]
}

/** Three hubs on one bus that know each other. */
export async function openThreeHubs (t: ContractTest, connect: ContractConnect, options: WsHubOptions = {}): Promise<[Hub, Hub, Hub]> {
  const open = opener(t, connect, options)
  const hubs: [Hub, Hub, Hub] = [await open(), await open(), await open()]
  for (const hub of hubs) await until(async () => (await hub.nodes()).length === hubs.length)
  return hubs
}

function opener (t: ContractTest, connect: ContractConnect, options: WsHubOptions): () => Promise<Hub> {
  const ignore = (): void => {}
  const log = { info: ignore, warn: ignore, error: ignore } as unknown as FastifyBaseLogger
  return async () => {
    const hub = new Hub(parseHubOptions({ ...options, bus: await connect(t) }), log)
    t.teardown(() => hub.close())
    await until(() => hub.health().bus === 'up')
    return hub
  }
}

/** A client of a hub, without a network. */
export class ContractSocket extends EventEmitter {
  readonly extensions = ''
  readonly bufferedAmount = 0
  readyState = 1
  readonly received: Array<{ base64: string, binary: boolean }> = []
  closed: [code: number, reason: string] | null = null
  readonly asWebSocket = this as unknown as WebSocket

  constructor (hub: Hub, subject: string, claims: object = {}) {
    super()
    hub.add(this.asWebSocket, { subject, claims: { ...claims } })
  }

  get texts (): string[] {
    return this.received.map(({ base64 }) => Buffer.from(base64, 'base64').toString())
  }

  send (payload: Buffer, { binary }: { binary: boolean }): void {
    this.received.push({ base64: payload.toString('base64'), binary })
  }

  close (code: number, reason: string): void {
    this.closed = [code, reason]
    this.terminate()
  }

  terminate (): void {
    this.readyState = 3
    this.emit('close')
  }
}
