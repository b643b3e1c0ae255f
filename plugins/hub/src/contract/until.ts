import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for something that the bus does. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(2)
}
