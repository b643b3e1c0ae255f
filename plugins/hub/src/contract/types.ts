import type { HubBus } from '../bus.js'

/** The part of tap's `t` that `testHubBus` needs. */
export interface ContractTest {
  test (name: string, run: (t: ContractTest) => Promise<void>): unknown
  equal (found: unknown, wanted: unknown, message: string): unknown
  same (found: unknown, wanted: unknown, message: string): unknown
  teardown (undo: () => unknown): unknown
}

/** What a test does to its bus. */
export interface ContractOptions {
  /** Whether the test makes this bus lose its connection. */
  interrupted: boolean
}

/** Gives one node its end of the bus, and closes it in `t.teardown`. */
export type ContractConnect = (t: ContractTest) => HubBus | Promise<HubBus>

/** Describes the bus under test. */
export interface ContractSettings {
  /** Prepares an unused bus, and returns a function that connects a node to it. Called once for each test. */
  create: (options: ContractOptions) => ContractConnect
  /**
   * Takes the bus away from all nodes and gives it back, for example by killing and restarting the broker. Without it, the
   * suite does not test loss and return.
   * @default undefined
   */
  interruption?: { lose: () => unknown, regain: () => unknown }
  /**
   * `busBeat` of the hubs in the test of loss and return, in milliseconds: longer than a message may take.
   * @default 400
   */
  beat?: number
}
