import ipaddr from 'ipaddr.js'
import { isIP } from 'node:net'

/** A port behind an address, as some proxies write it into `X-Forwarded-For`: `192.0.2.7:4711` or `[2001:db8::1]:4711`. */
const WITH_PORT = /^(?:([^:]+)|\[(.+)\])(?::\d+)?$/

/**
 * The part of a client address that one party controls: an IPv4 address, or the /64 of an IPv6 address, since a
 * single host is given a whole /64 (RFC 6177). An IPv4-mapped address counts as the IPv4 address, and a port does not
 * count at all.
 *
 * @param address as in `request.ip`
 * @returns a key for maps; `''` where there is no address, as with `injectWS`; the first 64 characters of anything that is no
 * address, which a proxy may have let a client write
 */
export function addressKey (address: string | undefined): string {
  if (address === undefined) return ''
  // This runs for every connection, and nearly all addresses are plain IPv4.
  if (!address.includes(':')) return cut(address)
  const parsed = parse(address)
  if (parsed === null) return cut(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return (parsed as ipaddr.IPv6).parts.slice(0, 4).map(part => part.toString(16)).join(':') + '::/64'
}

/**
 * A client address in its plain form: without port and brackets, and an IPv4-mapped address as the IPv4 address.
 *
 * @param address as in `request.ip`
 * @returns `undefined` where there is no address; anything that is no address unchanged
 */
export function plainAddress (address: string | undefined): string | undefined {
  return address?.includes(':') === true ? parse(address)?.toString() ?? address : address
}

/** No address is longer, even with the name of an interface. */
const MAX_LENGTH = 64

function cut (text: string): string {
  return copyOf(text.slice(0, MAX_LENGTH))
}

/** V8 makes no slice of fewer characters, so they hold nothing (`SlicedString::kMinLength`). */
const LEAST_SLICED = 13

/**
 * A copy of a string that is kept for longer than what it was cut from: V8 keeps a part of a string as a slice, which holds the
 * whole, so that an address of 15 characters may hold a header of 16 KiB in memory.
 */
export function copyOf (text: string): string {
  return text.length < LEAST_SLICED ? text : Buffer.from(text).toString()
}

/** An address in its plain form, for records that last; `null` for anything that is no address. */
export function recordedAddress (address: string | undefined): string | null {
  const plain = plainAddress(address)
  return plain !== undefined && plain.length <= MAX_LENGTH && isIP(plain) !== 0 ? copyOf(plain) : null
}

function parse (address: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  const [, first, second] = WITH_PORT.exec(address) ?? []
  const host = first ?? second ?? address
  return ipaddr.isValid(host) ? ipaddr.process(host) : null
}

/** Counts what each client address holds, and refuses more than the limit. */
export class AddressPool {
  readonly #held = new Map<string, number>()
  readonly #limit: number

  /** @param limit how much one address may hold at once */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** Addresses that hold something. */
  get size (): number {
    return this.#held.size
  }

  /** Takes one place for `key`. Returns `false` and takes none where the key has reached the limit. */
  acquire (key: string): boolean {
    const held = this.#held.get(key) ?? 0
    if (held >= this.#limit) return false
    this.#held.set(key, held + 1)
    return true
  }

  /** Gives one place back. */
  release (key: string): void {
    const held = this.#held.get(key) as number
    if (held === 1) this.#held.delete(key)
    else this.#held.set(key, held - 1)
  }
}
