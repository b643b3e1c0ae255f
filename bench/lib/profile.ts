import type { Profiler } from 'node:inspector'

/** Microseconds of self time by package and by function. */
export interface SelfTime { packages: Map<string, number>, functions: Map<string, number>, total: number }

/** Sums CPU profiles up. Time without anything to do is left out. */
export function selfTime (...profiles: Profiler.Profile[]): SelfTime {
  const packages = new Map<string, number>()
  const functions = new Map<string, number>()
  let total = 0
  for (const { nodes, samples = [], timeDeltas = [] } of profiles) {
    const frames = new Map(nodes.map(node => [node.id, node.callFrame]))
    for (const [index, id] of samples.entries()) {
      const { functionName, url, lineNumber } = frames.get(id) as Profiler.ProfileNode['callFrame']
      if (functionName === '(idle)' || isProfiler(functionName, url)) continue
      const time = timeDeltas[index] ?? 0
      const from = packageOf(url, functionName)
      total += time
      add(packages, from, time)
      add(functions, `${from}: ${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`, time)
    }
  }
  return { packages, functions, total }
}

/** Starting and stopping the profiler happens on the same thread, and takes longer than a short load. */
function isProfiler (functionName: string, url: string): boolean {
  return (functionName === 'dispatch' && url === '') || url.endsWith('/bench/dist/lib/serve.js') || url.startsWith('node:inspector')
}

/** The share of our own code. */
export function ownShare (profile: Profiler.Profile): number {
  const { packages, total } = selfTime(profile)
  let own = 0
  for (const [name, time] of packages) if (name.startsWith('airlock/')) own += time
  return own / total
}

/** The package of ours that a file belongs to, if any. */
export function ownPackage (url: string): string | undefined {
  return /\/(?:packages|plugins)\/([^/]+)\/dist\//.exec(url)?.[1]
}

function packageOf (url: string, functionName: string): string {
  if (functionName.startsWith('(')) return functionName
  if (url === '') return 'native'
  if (url.startsWith('node:')) return 'node'
  const own = ownPackage(url)
  if (own !== undefined) return `airlock/${own}`
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? url.split('/').slice(-2).join('/')
}

function add (map: Map<string, number>, key: string, value: number): void {
  map.set(key, (map.get(key) ?? 0) + value)
}
