/** What must not stand in a report: every token and ticket that the examination has met. */
export class Secrets {
  readonly #names = new Map<string, string>()

  /** @param name what stands in place of it */
  add (secret: string, name: string): string {
    // Shorter ones are no secrets, and would be found in every text.
    if (secret.length >= 8) this.#names.set(secret, `<${name}>`)
    return secret
  }

  /** Replaces every secret, and whatever else looks like a JWT or a ticket. */
  redact (text: string): string {
    let clean = text
    for (const [secret, name] of this.#names) clean = clean.replaceAll(secret, name)
    return clean
      .replace(/\beyJ[\w-]+\.[\w-]*(\.[\w-]*)?/g, '<jwt>')
      .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, '<ticket>')
  }
}
