import { createContext, createElement, useContext, useState, type ReactElement } from 'react'
import { useConnection, useReader } from './hooks.js'
import type { AirlockProviderProps, SocketHandlers } from './options.js'
import { SocketStore } from './store.js'
import type { AirlockSocket } from './types.js'

/** A provider and its hook. */
export interface Airlock<In, Out> {
  /** Keeps one socket for all its descendants. It takes the options of {@link useAirlockSocket}, and never renders by itself. */
  AirlockProvider (props: AirlockProviderProps<In, Out>): ReactElement
  /**
   * The provider's socket. Each component may have its own handlers. They are called from its mount to its unmount,
   * after those of the provider.
   *
   * @throws {Error} when there is no provider above
   */
  useAirlock (handlers?: SocketHandlers<In>): AirlockSocket<In, Out>
}

/**
 * Creates a provider and a hook that belong together and know the types of their messages. Use it to type messages
 * without type parameters at every call, and to have several sockets in one tree. Call it once, in a module.
 *
 * @typeParam In the messages that arrive
 * @typeParam Out the messages that are sent
 *
 * @example
 * export const { AirlockProvider: ChatProvider, useAirlock: useChat } = createAirlock<Incoming, Outgoing>()
 */
export function createAirlock<In = unknown, Out = unknown> (): Airlock<In, Out> {
  const Context = createContext<SocketStore<In, Out> | null>(null)

  function AirlockProvider ({ children, ...options }: AirlockProviderProps<In, Out>): ReactElement {
    const [store] = useState(() => new SocketStore<In, Out>())
    useConnection(store, options)
    return createElement(Context.Provider, { value: store }, children)
  }

  function useAirlock (handlers: SocketHandlers<In> | null = null): AirlockSocket<In, Out> {
    const store = useContext(Context)
    if (store === null) throw new Error('useAirlock needs its AirlockProvider above it')
    return useReader(store, handlers)
  }

  return { AirlockProvider, useAirlock }
}

const shared = /* @__PURE__ */ createAirlock<any, any>()

/** Keeps one socket for all its descendants, which use it by {@link useAirlock}. Takes the options of `useAirlockSocket`. */
export const AirlockProvider: <In = unknown, Out = unknown>(
  props: AirlockProviderProps<In, Out>
) => ReactElement = shared.AirlockProvider

/**
 * The socket of the nearest {@link AirlockProvider}.
 *
 * @typeParam In the messages that arrive
 * @typeParam Out the messages that are sent
 * @throws {Error} when there is no provider above
 *
 * @example
 * const { status, send } = useAirlock<Incoming, Outgoing>({ onMessage: message => log.add(message) })
 */
export const useAirlock: <In = unknown, Out = unknown>(
  handlers?: SocketHandlers<In>
) => AirlockSocket<In, Out> = shared.useAirlock
