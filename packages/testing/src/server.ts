import { callback, milliseconds, nonEmptyString, optionsObject, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { type AfterTest, afterTest, isAfterTest } from './cleanup.js'
import { TestBus } from './bus.js'
import { Device } from './device.js'
import type { DeviceHost, DeviceOptions } from './device-options.js'
import { WSA_TESTING_ERR_NO_PORT, WSA_TESTING_ERR_OPTION } from './errors.js'
import { Group } from './group.js'
import type { Reach, TestApp, Transport } from './reach.js'
import { type Relay, relayTo } from './relay.js'
import { reach } from './transport.js'

/** Options of {@link testServer}. */
export interface TestServerOptions {
  /** The test after which the server is closed; without it, call `close()`. */
  t?: AfterTest
  /**
   * How devices reach it.
   * @default 'memory'
   */
  transport?: Transport
  /**
   * The route that issues tickets.
   * @default '/ws/ticket'
   */
  ticketPath?: string
  /**
   * Signs a JWT.
   * @default `app.jwt.sign` of `@fastify/jwt`
   */
  sign?: (claims: Record<string, unknown>) => string | Promise<string>
  /** Options of every device. */
  device?: DeviceOptions
  /** The bus that its hub has, so that `never()` waits for it. */
  bus?: TestBus
  /**
   * How long anything that is waited for may take, in milliseconds of real time.
   * @default 30000
   */
  timeout?: number
}

const schema = optionsObject({
  t: v.optional(v.custom<AfterTest>(isAfterTest, 'Expected the t of a test, with teardown, after or onTestFinished')),
  transport: v.optional(v.picklist(['memory', 'injectWS', 'port'], "Expected 'memory', 'injectWS' or 'port'")),
  ticketPath: v.optional(nonEmptyString),
  sign: v.optional(callback<(claims: Record<string, unknown>) => string | Promise<string>>()),
  device: v.optional(v.custom<DeviceOptions>(value => typeof value === 'object' && value !== null, 'Expected an object')),
  bus: v.optional(v.instance(TestBus, 'Expected a TestBus')),
  timeout: v.optional(milliseconds)
})

/** A server under test. Made by {@link testServer}. */
export class TestServer<App extends TestApp = TestApp> implements DeviceHost, AsyncDisposable {
  /** The Fastify instance. */
  readonly app: App
  /** @internal */
  readonly reach: Reach
  /** @internal */
  readonly group: Group
  /** The route that issues tickets. */
  readonly ticketPath: string
  /** Signs a JWT, if not `app.jwt` does. */
  readonly sign: DeviceHost['sign']
  /** The devices that were made for it. */
  readonly devices: Device[] = []
  readonly #device: DeviceOptions
  readonly #relays: Relay[] = []

  /** @internal */
  constructor (app: App, reach: Reach, group: Group, { ticketPath = '/ws/ticket', sign, device = {}, bus }: TestServerOptions) {
    this.app = app
    this.reach = reach
    this.group = group
    this.ticketPath = ticketPath
    this.sign = sign
    this.#device = device
    if (bus !== undefined) group.buses.add(bus)
  }

  /** What stands before a path, such as `http://127.0.0.1:40000`. */
  get origin (): string {
    return this.reach.origin
  }

  /**
   * Makes a device of a user. It logs in when it first has to.
   *
   * @param subject the user's id; `null` for nobody, who has no JWT unless `login` brings one
   * @default subject 'alice'
   */
  device (subject: string | null = 'alice', options: DeviceOptions = {}): Device {
    const device = new Device(this, subject, { ...this.#device, ...options })
    this.devices.push(device)
    return device
  }

  /**
   * Puts a relay in front of the server, for `device(subject, { relay })`.
   *
   * @throws {@link WSA_TESTING_ERR_NO_PORT} when it listens on no port
   */
  async relay (): Promise<Relay> {
    const { port } = this.reach
    if (port === null) throw new WSA_TESTING_ERR_NO_PORT()
    const relay = await relayTo(port)
    this.#relays.push(relay)
    return relay
  }

  /**
   * Closes the devices that talk to it, with the clients of their {@link Device.clientOptions}; breaks what others have left open at it; and
   * closes the Fastify instance and the relays. To have it say goodbye to its connections, close the Fastify instance: `app.close()`.
   */
  async close (): Promise<void> {
    await Promise.all([...this.group.devices].filter(({ host }) => host === this).map(device => device.close()))
    await this.reach.drop()
    await this.app.close()
    await Promise.all(this.#relays.map(relay => relay.close()))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.close()
  }
}

/**
 * Makes a Fastify instance ready for tests. It is closed after the test, together with its devices.
 *
 * @throws {@link WSA_TESTING_ERR_OPTION} when an option is unknown or wrong
 * @throws {@link WSA_TESTING_ERR_NO_INJECT} when `injectWS` is wanted and is not there
 *
 * @example
 * import { test } from 'node:test'
 * import { testServer } from '@fastify-airlock/testing'
 *
 * test('everybody gets what one says', async t => {
 *   const server = await testServer(app, { t })
 *   const [alice, bob] = [await server.device('alice').open('/ws'), await server.device('bob').open('/ws')]
 *   alice.send('hello')
 *   await bob.next({ from: 'alice', text: 'hello' })
 * })
 */
export async function testServer<App extends TestApp> (app: App, options: TestServerOptions = {}): Promise<TestServer<App>> {
  return await serverIn(new Group(options.timeout), app, readServerOptions(options))
}

/**
 * Checks options.
 *
 * @throws {@link WSA_TESTING_ERR_OPTION} when an option is unknown or wrong
 */
export function readServerOptions (given: TestServerOptions): TestServerOptions {
  return parseOptions(schema, given, WSA_TESTING_ERR_OPTION) as TestServerOptions
}

/** Makes a server of a test that may have others. */
export async function serverIn<App extends TestApp> (group: Group, app: App, options: TestServerOptions): Promise<TestServer<App>> {
  const server = new TestServer(app, await reach(app, options.transport ?? 'memory'), group, options)
  afterTest(options.t, () => server.close())
  return server
}
