/** How long a command is kept, in milliseconds. */
const MAX_AGE = 10 * 60_000

/** How many commands are kept. */
const MAX_COMMANDS = 10_000

/** Tells nodes to close the connections of a user. */
export interface DisconnectCommand {
  subject: string
  code: number
  reason: string
  /** How long ago the command was given, in milliseconds. It spares connections that are younger. */
  age: number
}

/**
 * The recent disconnect commands of this node, kept for nodes that could not receive them: an expelled user must not
 * stay on a node just because the bus was down.
 */
export class RecentDisconnects {
  readonly #recent = new Map<string, { code: number, reason: string, at: number }>()

  /** @param now a monotonic time in milliseconds */
  add (subject: string, code: number, reason: string, now: number): void {
    // A Map keeps the order of insertion, which is the order of age.
    this.#recent.delete(subject)
    this.#recent.set(subject, { code, reason, at: now })
    for (const [oldest, { at }] of this.#recent) {
      if (this.#recent.size <= MAX_COMMANDS && now - at <= MAX_AGE) break
      this.#recent.delete(oldest)
    }
  }

  /** The commands of the last `age` milliseconds. */
  within (age: number, now: number): DisconnectCommand[] {
    const commands: DisconnectCommand[] = []
    for (const [subject, { code, reason, at }] of this.#recent) {
      if (now - at <= age) commands.push({ subject, code, reason, age: now - at })
    }
    return commands
  }
}
