/** Runs every other test again, on React 18. */
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const here = new URL('.', import.meta.url)
const register = new URL('react-18/register.js', here).href

for (const file of readdirSync(here)) {
  if (!file.endsWith('.test.ts') || file === basename(import.meta.url)) continue
  t.spawn(process.execPath, [...process.execArgv, '--import', register, fileURLToPath(new URL(file, here))], {
    env: { ...process.env, REACT: '18' }
  }, file)
}
