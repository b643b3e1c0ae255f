import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BOOLEAN, type Variable } from '../src/variable.js'
import { variables } from '../src/environment.js'

/** Files that document the environment, each with the text it should have. */
export function environmentDocs (): Array<{ file: string, actual: string, expected: string }> {
  return Object.entries(FILES).map(([path, render]) => {
    const file = fileURLToPath(new URL(path, import.meta.url))
    const actual = readFileSync(file, 'utf8')
    return { file, actual, expected: render(actual) }
  })
}

const FILES: Record<string, (text: string) => string> = {
  '../README.md': text => text.replace(/^\| variable \|.*?\n(?!\|)/ms, readmeTable()),
  '../../../.env.example': envExample
}

const HEAD = `\
# Settings of the demo: copy this file to .env, or set them in the environment, which wins. Every one has a default.
# Generated from apps/demo/src/environment.ts by "npm run docs -w apps/demo".
`

/** Longest line of `.env.example`. */
const WIDTH = 120

function readmeTable (): string {
  const rows = Object.entries<Variable>(variables).map(([name, variable]) => {
    const whenMissing = variable.default === '' ? variable.fallback : `\`${variable.default}\``
    return `| \`${name}\` | ${whenMissing} | ${describe(variable)} |\n`
  })
  return `| variable | default | meaning |\n|---|---|---|\n${rows.join('')}`
}

function envExample (): string {
  const entries = Object.entries<Variable>(variables).map(([name, variable]) => {
    const empty = variable.default === '' ? wrap(`Empty: ${variable.fallback}.`) : ''
    return `${wrap(describe(variable))}${empty}#${name}=${variable.example ?? variable.default}\n`
  })
  return [HEAD, ...entries].join('\n')
}

/** What a variable means, and the limits of its value. */
function describe ({ description, enum: values, minimum, maximum }: Variable): string {
  const limits = maximum === undefined ? '' : ` From ${minimum} to ${maximum}.`
  return description + limits + (values === BOOLEAN ? ' `true` or `false`.' : '')
}

function wrap (text: string): string {
  const lines = ['#']
  for (const word of text.replaceAll('`', '').split(' ')) {
    const line = `${lines.at(-1)} ${word}`
    if (line.length <= WIDTH) lines[lines.length - 1] = line
    else lines.push(`# ${word}`)
  }
  return lines.join('\n') + '\n'
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { file, expected } of environmentDocs()) writeFileSync(file, expected)
}
