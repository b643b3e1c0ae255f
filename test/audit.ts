/** The audit trail in the tests of all packages. It is that of the whole process, so a file that uses it runs alone. */
import type { AuditEvent } from '@fastify-airlock/core'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Test } from 'tap'

/** Keeps the audit trail as long as a test runs. */
export class Recorder {
  readonly events: AuditEvent[] = []
  #wake = (): void => {}

  constructor (t: Test) {
    const listen = (event: unknown): void => {
      this.events.push(event as AuditEvent)
      this.#wake()
    }
    subscribe('airlock:audit', listen)
    t.teardown(() => unsubscribe('airlock:audit', listen))
  }

  /** Resolves with all events so far when each connection that was admitted has closed, and forgets them. */
  async closed (): Promise<AuditEvent[]> {
    const count = (wanted: AuditEvent['type']): number => this.events.filter(({ type }) => type === wanted).length
    while (count('upgrade.admitted') > count('close')) await this.next()
    return this.events.splice(0)
  }

  /** Resolves with all events when there are so many, and forgets them. */
  async take (count: number): Promise<AuditEvent[]> {
    while (this.events.length < count) await this.next()
    return this.events.splice(0)
  }

  /** Resolves at the next event. */
  async next (): Promise<void> {
    await new Promise<void>(resolve => { this.#wake = resolve })
  }
}

export function typesOf (events: readonly AuditEvent[]): string[] {
  return events.map(({ type }) => type)
}

export function isRefusal ({ type }: AuditEvent): boolean {
  return type.endsWith('.refused')
}
