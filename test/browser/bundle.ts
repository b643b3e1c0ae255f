import { build } from 'esbuild'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'

const packages = resolve(import.meta.dirname, '../../packages')
const { resolve: find } = createRequire(resolve(packages, 'react/package.json'))

/** Where each React is, from the view of the package that supports them. */
const REACT = {
  18: { react: folder('react-18'), 'react-dom': folder('react-dom-18') },
  19: { react: folder('react'), 'react-dom': folder('react-dom') }
}

export type ReactVersion = keyof typeof REACT

/**
 * One script for a browser, of TypeScript with JSX and all that it imports; of this repository the sources.
 *
 * @throws on anything that needs Node
 */
export async function bundle (contents: string, { react = 19, mode = 'production' }: { react?: ReactVersion, mode?: 'production' | 'development' } = {}): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, loader: 'tsx', resolveDir: import.meta.dirname, sourcefile: 'page.tsx' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    charset: 'utf8',
    conditions: ['@fastify-airlock/source'],
    jsx: 'automatic',
    alias: REACT[react],
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    logLevel: 'silent'
  })
  return outputFiles[0]?.text as string
}

function folder (name: string): string {
  return dirname(find(`${name}/package.json`))
}
