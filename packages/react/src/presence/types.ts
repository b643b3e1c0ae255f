import type { PresenceView } from '@fastify-airlock/client/presence'

/** Who is there, as a component sees it. It is replaced, never modified. */
export interface WhoIsThere<State = unknown> extends Omit<PresenceView<State>, 'status'> {
  /** `idle`: there is no topic or no connection, or nothing has started; `waiting` also while the connection is lost; `closed`: over. */
  readonly status: 'idle' | PresenceView['status']
  /**
   * Sets what the own user shows of itself in this topic, until the component unmounts or has another topic. Never changes.
   *
   * @param state any JSON value of at most 1 KiB (the server's default); `null` for none
   */
  readonly set: (state: State | null) => void
}
