/** Who may be in which room. In an application, your database. */
export class Rooms {
  readonly #members = new Map<string, Set<string>>()

  has (room: string, user: string): boolean {
    return this.#members.get(room)?.has(user) ?? false
  }

  add (room: string, user: string): void {
    const members = this.#members.get(room) ?? new Set()
    this.#members.set(room, members.add(user))
  }

  remove (room: string, user: string): void {
    this.#members.get(room)?.delete(user)
  }
}
