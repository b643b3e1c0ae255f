import { channel } from 'node:diagnostics_channel'

/** What the `node:diagnostics_channel` named `airlock:guard:refuse` carries, once for each refused upgrade. */
export interface GuardRefuseEvent {
  /** The HTTP status. */
  statusCode: number
  /** The code in the body, `WSA_GUARD_ERR_…`. */
  code: string
}

/** The plugin's diagnostics channels. Check `hasSubscribers` before you publish. */
export const channels = {
  refuse: channel('airlock:guard:refuse')
} as const
