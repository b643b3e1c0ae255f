import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Test } from 'tap'
import { Hub } from '../src/hub.js'
import { ContractSocket } from '../src/contract/nodes.js'
import { type HubBus, type WsHubOptions } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { until } from './helpers.js'

/** Settings of a {@link storm}. */
export interface Storm {
  /** Gives a node its end of the bus. */
  connect: (t: Test) => HubBus | Promise<HubBus>
  /** Cuts the bus, and resolves when it is back. */
  cut: () => unknown
  orders: number
  /** Time between two orders, in milliseconds. */
  every: number
  /** Longest time between two cuts, in milliseconds. */
  between: number
  options?: WsHubOptions
}

/**
 * Three nodes disconnect users and take topics from them while their bus is cut again and again. Each user is on another node,
 * and comes again once the order has arrived: none may be missed, nobody who came later may be closed, and no node may say
 * that its bus is up while it hears nothing.
 */
export async function storm (t: Test, { connect, cut, orders, every, between, options = {} }: Storm): Promise<void> {
  const ignore = (): void => {}
  const log = { info: ignore, warn: ignore, error (details: object) { t.fail('an error', details) } } as never
  const settings = { busBeat: 200, ...options }
  const hubs: Hub[] = []
  for (let index = 0; index < 3; index++) {
    const hub = new Hub(parseHubOptions({ ...settings, bus: await connect(t) }), log)
    t.teardown(() => hub.close())
    hubs.push(hub)
  }
  await until(() => hubs.every(hub => hub.health().bus === 'up'))
  const ears = await Ears.of(t, hubs, settings.busBeat)

  const other = (number: number): Hub => hubs[(number + 1) % 3] as Hub
  const before: ContractSocket[] = []
  const after: ContractSocket[] = []
  for (let number = 0; number < orders; number++) {
    const socket = new ContractSocket(other(number), `user ${number}`)
    before.push(socket)
    other(number).join(socket.asWebSocket, 'room')
    socket.once('close', () => { after.push(new ContractSocket(other(number), `user ${number}`)) })
  }
  const over = new AbortController()
  let cuts = 0
  const cutting = (async () => {
    while (!over.signal.aborted) {
      await cut()
      cuts++
      await pause(between * Math.random())
    }
  })()
  // Every fourth loses its topic, and all others their connection.
  const loses = (number: number): boolean => number % 4 === 3
  for (let number = 0; number < orders; number++) {
    const subject = `user ${number}`
    if (loses(number)) (hubs[number % 3] as Hub).evict({ subject, topic: 'room' })
    else (hubs[number % 3] as Hub).disconnect(subject)
    await pause(every)
  }
  over.abort()
  await cutting
  const isDone = (socket: ContractSocket, number: number): boolean => loses(number)
    ? other(number).topicsOf(socket.asWebSocket).length === 0
    : socket.closed !== null
  await until(() => before.every(isDone))
  ears.stop()
  await until(() => hubs.every(hub => hub.health().bus === 'up'))
  // Each node gives one more order, which the others carry out after all that they have been told.
  for (const hub of hubs) await until(async () => (await hub.disconnectAll('nobody', { timeout: 20_000 })).nodes === 3)
  t.ok(cuts > 0, `${cuts} cuts`)
  t.equal(after.length, orders - before.filter((_, number) => loses(number)).length, 'none is lost')
  t.equal(before.filter(({ closed }, number) => loses(number) && closed !== null).length, 0, 'who loses a topic stays connected')
  t.equal(after.filter(({ closed }) => closed !== null).length, 0, 'no later login is closed')
  t.strictSame(ears.deaf(4 * settings.busBeat + 1_000), [], 'no node was deaf and said "up"')
}

async function pause (time: number): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, time))
}

/** Something that a node said at some time. */
interface Said { from: number, at: number }

/** Knows what each node has heard of the others, and when it said that its bus was up. */
class Ears {
  readonly #start = performance.now()
  readonly #said: Said[] = []
  readonly #heard: Array<Set<number>>
  /** When each node was not up, or has lost what it sent. */
  readonly #excused: number[][]
  readonly #lost: number[]
  readonly #hubs: Hub[]
  #timer: NodeJS.Timeout | undefined
  #end = Infinity

  /** Starts to listen, and waits until the nodes hear each other. */
  static async of (t: Test, hubs: Hub[], beat: number): Promise<Ears> {
    const ears = new Ears(hubs)
    ears.#timer = setInterval(() => ears.#speak(), beat / 2)
    const look = (): void => ears.#look()
    subscribe('airlock:hub:bus', look)
    t.teardown(() => {
      ears.stop()
      unsubscribe('airlock:hub:bus', look)
    })
    await until(() => ears.#heard.every(heard => heard.size > 2))
    return ears
  }

  private constructor (hubs: Hub[]) {
    this.#hubs = hubs
    this.#excused = hubs.map(() => [])
    this.#lost = hubs.map(() => 0)
    this.#heard = hubs.map((hub, index) => {
      const heard = new Set<number>()
      const ear = new ContractSocket(hub, `ear ${index}`)
      ear.send = payload => { heard.add(Number(payload)) }
      hub.join(ear.asWebSocket, 'ears')
      return heard
    })
  }

  /** Lets the nodes say no more. */
  stop (): void {
    clearInterval(this.#timer)
    this.#end = Math.min(this.#end, performance.now())
  }

  /** Times in which a node said that its bus was up, and heard nothing of another one that said so and spoke. */
  deaf (span: number): string[] {
    const found: string[] = []
    for (const [listener, heard] of this.#heard.entries()) {
      for (const [speaker] of this.#hubs.entries()) {
        if (speaker === listener) continue
        for (let from = this.#start; from + span < this.#end; from += span) {
          const isExcused = [listener, speaker].some(index => this.#excused[index]?.some(at => at >= from && at <= from + span))
          // What was said at the end may be heard later.
          const said = [...this.#said.entries()].filter(([, said]) => said.from === speaker && said.at >= from && said.at < from + span / 2)
          if (!isExcused && said.length > 0 && !said.some(([number]) => heard.has(number))) {
            found.push(`${listener} heard nothing of ${speaker} for ${span} ms from ${Math.round(from - this.#start)} ms on`)
          }
        }
      }
    }
    return found
  }

  #speak (): void {
    this.#look()
    for (const [from, hub] of this.#hubs.entries()) {
      this.#said.push({ from, at: performance.now() })
      hub.publish('ears', String(this.#said.length - 1))
    }
  }

  #look (): void {
    for (const [index, hub] of this.#hubs.entries()) {
      const { lost } = hub.stats.bus
      if (hub.health().bus === 'up' && lost === this.#lost[index]) continue
      this.#lost[index] = lost
      this.#excused[index]?.push(performance.now())
    }
  }
}
