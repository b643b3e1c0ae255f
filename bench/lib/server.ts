import type { DialectName } from '../load/dialects.js'
import type { Target } from '../load/flow.js'
import type { Settings } from '../servers/settings.js'
import { type Child, type Runtime, startChild } from './child.js'
import { startNative } from './native.js'
import type { Keys } from './tokens.js'

/** A peer: what is started, and how clients talk to it. */
export interface Spec {
  label: string
  variant: string
  dialect: DialectName
  settings?: Partial<Settings>
  /** The program, where it is no script. */
  native?: string
  tree?: string
  runtime?: Runtime
}

/** A peer that listens. */
export interface Server {
  label: string
  dialect: DialectName
  child: Child
  target (route?: string): Target
  /** Microseconds of CPU, user and system, that it has used. */
  cpu (): Promise<number>
}

/** Where peers run unless they say otherwise. */
export interface Place { tree: string, keys: Keys, runtime: Runtime }

/** Starts a peer in a process of its own. */
export async function startServer (spec: Spec, place: Place, flags: string[] = []): Promise<Server> {
  const settings: Settings = {
    variant: spec.variant,
    keys: place.keys,
    tokenCache: true,
    routeJwt: false,
    refuseBeforeRouting: false,
    heartbeat: false,
    audit: false,
    ...spec.settings
  }
  const child = spec.native === undefined
    ? await startChild({
      tree: spec.tree ?? place.tree,
      script: 'servers/main.js',
      args: [JSON.stringify(settings)],
      runtime: spec.runtime ?? place.runtime,
      flags
    })
    : await startNative(spec.native, place.keys)
  const port = await child.call<number>('port')
  return {
    label: spec.label,
    dialect: spec.dialect,
    child,
    target: (route = '/ws') => ({ port, dialect: spec.dialect, route }),
    cpu: async () => await child.call<number>('cpu')
  }
}

/** Starts all of them; those that cannot be had are noted. */
export async function startServers (specs: readonly Spec[], place: Place): Promise<{ servers: Server[], notes: string[] }> {
  const servers: Server[] = []
  const notes: string[] = []
  for (const spec of specs) {
    try {
      servers.push(await startServer(spec, place))
    } catch (error) {
      notes.push(`${spec.label}: ${(error as Error).message}`)
    }
  }
  return { servers, notes }
}

/** Stops all of them. */
export async function stopAll (servers: ReadonlyArray<{ child: Child }>): Promise<void> {
  await Promise.all(servers.map(async ({ child }) => await child.stop()))
}
