import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for something that the bus does. */
export async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}
