import type { Rooms } from './rooms.js'
import type { Users } from './users.js'

/** Users to try it with. Everybody knows their passwords. */
export const SAMPLES = [
  { name: 'alice', password: 'wonderland', role: 'user', rooms: ['room/lobby', 'room/reading'] },
  { name: 'bob', password: 'builder', role: 'user', rooms: ['room/lobby', 'room/reading'] },
  { name: 'carol', password: 'christmas', role: 'user', rooms: ['room/lobby'] },
  { name: 'admin', password: 'admin', role: 'admin', rooms: ['room/lobby'] }
] as const

/** Adds them; to rooms only if they are in none, so that a node that starts brings nobody back who was removed. */
export async function addSamples (users: Users, rooms: Rooms): Promise<void> {
  for (const { name, password, role, rooms: own } of SAMPLES) {
    users.add(name, password, role)
    if ((await rooms.of(name)).length === 0) for (const room of own) await rooms.add(room, name)
  }
}
