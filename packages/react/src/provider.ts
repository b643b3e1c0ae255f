import { createContext, createElement, useContext, useState, type ReactElement } from 'react'
import { useConnection, useReader } from './hooks.js'
import { SocketStore } from './store.js'
import type { AirlockProviderProps, AirlockSocket, SocketHandlers } from './types.js'

/** A provider and its hook. */
export interface Airlock<In, Out> {
  /** Keeps one socket for everything below it. Takes the options of {@link useAirlockSocket}, and never renders again by itself. */
  AirlockProvider (props: AirlockProviderProps<In, Out>): ReactElement
  /**
   * The provider's socket. Each component may have handlers of its own; they are called from its mount to its unmount,
   * those of the provider first.
   *
   * @throws Error where there is no provider above
   */
  useAirlock (handlers?: SocketHandlers<In>): AirlockSocket<In, Out>
}

/**
 * Makes a provider and a hook that know the types of their messages and each other: for typed messages without type
 * parameters at every call, and where one tree has several sockets. Call it once, in a module.
 *
 * @typeParam In the messages that come
 * @typeParam Out the messages that go
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

/** Keeps one socket for everything below it, for {@link useAirlock} to read. Takes the options of `useAirlockSocket`. */
export const AirlockProvider: <In = unknown, Out = unknown>(
  props: AirlockProviderProps<In, Out>
) => ReactElement = shared.AirlockProvider

/**
 * The socket of the nearest {@link AirlockProvider}.
 *
 * @typeParam In the messages that come
 * @typeParam Out the messages that go
 * @throws Error where there is no provider above
 *
 * @example
 * const { status, send } = useAirlock<Incoming, Outgoing>({ onMessage: message => log.add(message) })
 */
export const useAirlock: <In = unknown, Out = unknown>(
  handlers?: SocketHandlers<In>
) => AirlockSocket<In, Out> = shared.useAirlock
