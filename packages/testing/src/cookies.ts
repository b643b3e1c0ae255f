/** The cookies of one device, by name. Path, domain and `Secure` are not looked at: there is one server. */
export class Cookies {
  readonly #values = new Map<string, string>()

  /** Takes what a server sets: the values of its `Set-Cookie` headers. */
  take (lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';')
      const at = pair.indexOf('=')
      const name = pair.slice(0, at).trim()
      if (at < 1) continue
      if (attributes.some(isOver)) this.#values.delete(name)
      else this.#values.set(name, pair.slice(at + 1).trim())
    }
  }

  set (name: string, value: string): void {
    this.#values.set(name, value)
  }

  get (name: string): string | undefined {
    return this.#values.get(name)
  }

  delete (name: string): void {
    this.#values.delete(name)
  }

  clear (): void {
    this.#values.clear()
  }

  get size (): number {
    return this.#values.size
  }

  /** The value of a `Cookie` header. */
  get header (): string {
    return [...this.#values].map(([name, value]) => `${name}=${value}`).join('; ')
  }
}

/** Whether an attribute ends a cookie (RFC 6265, sections 5.2.1 and 5.2.2). */
function isOver (attribute: string): boolean {
  const [name = '', value = ''] = attribute.split('=')
  switch (name.trim().toLowerCase()) {
    case 'max-age': return Number(value) <= 0
    case 'expires': return Date.parse(value) <= Date.now()
    default: return false
  }
}
