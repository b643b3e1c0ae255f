import type { ListedSession } from '../session/session-list.js'

/** What a user of this page shows of itself to the others. */
export interface Shown {
  /** Where it is connected, on all nodes: each kind of device once. */
  devices: string[]
}

/** Devices that are shown of one user. */
const MAX_DEVICES = 5

/** Longest name of a device, in characters. */
const MAX_LENGTH = 64

/** The devices on which somebody has sockets. Every page of a user finds the same, in the same order. */
export function connectedDevices (sessions: readonly ListedSession[]): string[] {
  return [...new Set(sessions.filter(({ sockets }) => sockets > 0).map(({ device }) => device))].sort().slice(0, MAX_DEVICES)
}

/** The devices in the state of another user, who may have sent anything. */
export function readDevices (state: unknown): string[] {
  const { devices } = Object(state) as { devices?: unknown }
  if (!Array.isArray(devices)) return []
  return devices.filter(device => typeof device === 'string' && device !== '').slice(0, MAX_DEVICES).map((device: string) => device.slice(0, MAX_LENGTH))
}

/** Who a subject is. Users of the external authority have names of their own, which may be those of the demo's users. */
export function readSubject (subject: string): { name: string, isExternal: boolean } {
  const isExternal = subject.startsWith('external:')
  return { name: isExternal ? subject.slice('external:'.length) : subject, isExternal }
}
