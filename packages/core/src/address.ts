/**
 * The part of a client address that one party controls: an IPv4 address, or the /64 of an IPv6 address, since a
 * single host is handed a whole /64. An IPv4-mapped address counts as the IPv4 one.
 *
 * @param address as in `request.ip`
 * @returns a key for maps; `''` where there is no address, as with `injectWS`
 */
export function addressKey (address: string | undefined): string {
  if (address === undefined) return ''
  // Node's isIPv6 is a long regular expression, and this runs for every connection.
  if (!address.includes(':')) return address
  const dotted = address.slice(address.lastIndexOf(':') + 1)
  if (dotted.includes('.')) {
    if (/^::ffff:/i.test(address)) return dotted
    address = address.slice(0, -dotted.length) + '0:0'
  }
  const [head = '', tail] = (address.split('%', 1)[0] as string).split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    while (groups.length + rest.length < 8) groups.push('0')
    groups.push(...rest)
  }
  return groups.slice(0, 4).map(group => Number.parseInt(group, 16).toString(16)).join(':') + '::/64'
}

/** Counts what each client address holds at the moment, and says when it would be too much. */
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

  /** Takes one place for `key`; `false`, and none taken, where it holds the limit already. */
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
