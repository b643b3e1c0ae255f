import type { HubBus, HubBusMessage } from '@fastify-airlock/hub'

/** What a test has a bus lose. */
export interface Loss {
  loses: boolean
  lost: number
}

/** Has a bus lose messages of topics when a test says so, without telling anybody; all else passes. */
export function lossy<Bus extends HubBus> (bus: Bus): Bus & Loss {
  const emit: (message: HubBusMessage, done?: (error?: any) => void) => void = bus.emit.bind(bus)
  const result: Bus & Loss = Object.assign(bus, { loses: false, lost: 0 })
  result.emit = (message: HubBusMessage, done?: (error?: any) => void) => {
    if (!result.loses || !message.topic.includes('/log/')) return emit(message, done)
    result.lost++
    done?.()
  }
  return result
}
