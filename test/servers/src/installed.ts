import type { Skip } from './found.js'
import { which } from './paths.js'
import { launch, type PrivateServer, type Program } from './server.js'
import { rowOf } from './table.js'

/**
 * Starts a private server by the program that the table names for it.
 *
 * @param name in `servers.json`; also the scheme of its connection string
 * @param options what else {@link Program} has of it
 * @param find where the program is
 */
export async function startInstalled (
  name: string,
  options: Omit<Program, 'kind' | 'command'> | ((path: string) => Omit<Program, 'kind' | 'command'>),
  find: (program: string) => string | null = which
): Promise<PrivateServer | Skip> {
  const { program, variable, package: debian } = rowOf(name)
  const path = find(program)
  if (path === null) return { skip: `no ${name}: set ${variable} or install ${debian}` }
  try {
    const settings = typeof options === 'function' ? options(path) : options
    return await launch(name, { kind: `${program} (${path})`, command: path, ...settings })
  } catch (error) {
    return { skip: `no ${name}: ${(error as Error).message}` }
  }
}
