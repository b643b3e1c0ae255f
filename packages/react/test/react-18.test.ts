/** Runs all other tests again, on React 18. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const register = new URL('react-18/register.js', import.meta.url).href
const run = fileURLToPath(new URL('react-18/run.ts', import.meta.url))
const files = readdirSync(new URL('.', import.meta.url)).filter(name => /(?<!react-18)\.test\.ts$/.test(name))

function spawn (name: string, files: string[]): void {
  t.spawn(process.execPath, [...process.execArgv, '--import', register, run, ...files], {
    env: { ...process.env, REACT: '18' }
  }, name)
}

spawn('without a DOM', files.filter(name => name === 'ssr.test.ts'))
spawn('with a DOM', files.filter(name => name !== 'ssr.test.ts'))
