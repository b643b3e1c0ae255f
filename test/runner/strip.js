/**
 * TypeScript to JavaScript by blanking the types out: every other character stays where it was, so that errors, stack
 * traces and coverage point into the source without any source map. What was blanked once is kept under its hash.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const require = createRequire(import.meta.url)
const { version } = require('ts-blank-space/package.json')
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/airlock-tests', version)

/** The JavaScript of one file. */
export function strip (path) {
  const source = readFileSync(path, 'utf8')
  const kept = join(CACHE, createHash('sha1').update(source).digest('base64url'))
  try {
    return readFileSync(kept, 'utf8')
  } catch {}
  const text = blank(source, path)
  mkdirSync(CACHE, { recursive: true })
  // Several processes may come here at once: what one of them reads is always whole.
  const mine = `${kept}.${process.pid}`
  writeFileSync(mine, text)
  renameSync(mine, kept)
  return text
}

function blank (source, path) {
  // TypeScript itself takes half a second to load: only where something is not kept yet.
  const { default: tsBlankSpace } = require('ts-blank-space')
  return tsBlankSpace(source, node => {
    throw new SyntaxError(`${path}: "${node.getText().split('\n', 1)[0]}" is more than a type`)
  })
}
