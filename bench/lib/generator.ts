import { type Child, startChild } from './child.js'

/** Starts processes that produce load, on the runtime of the measuring process, whatever the servers run on. */
export async function startGenerators ({ tree }: { tree: string }, count: number): Promise<Child[]> {
  return await Promise.all(Array.from({ length: count }, async () => await startChild({ tree, script: 'load/main.js' })))
}
