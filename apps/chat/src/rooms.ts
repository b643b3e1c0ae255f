import { MemorySets, type Sets } from './sets.js'

/** Who may be in which room. */
export class Rooms {
  readonly #sets: Sets

  constructor (sets: Sets = new MemorySets()) {
    this.#sets = sets
  }

  async has (room: string, user: string): Promise<boolean> {
    return await this.#sets.has(`members of ${room}`, user)
  }

  /** All rooms of a user. */
  async of (user: string): Promise<string[]> {
    return (await this.#sets.all(`rooms of ${user}`)).sort()
  }

  async add (room: string, user: string): Promise<void> {
    await this.#sets.add(`members of ${room}`, user)
    await this.#sets.add(`rooms of ${user}`, room)
  }

  async remove (room: string, user: string): Promise<void> {
    await this.#sets.remove(`members of ${room}`, user)
    await this.#sets.remove(`rooms of ${user}`, room)
  }
}
