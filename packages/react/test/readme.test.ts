import './dom.js'
import { transform } from 'esbuild'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { createElement, type FunctionComponent } from 'react'
import t from 'tap'
import { eventually, mount } from './helpers.js'
import { serve } from './real.js'

t.test('the quick start in the README is short, and runs unchanged', async t => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const [, block = ''] = /^## Quick start\n.*?^```tsx\n(.*?)^```$/ms.exec(readme) ?? []
  const lines = block.trimEnd().split('\n').length
  t.ok(lines > 1 && lines <= 15, `${lines} lines`)

  const { options, origin, token, app } = await serve(t)
  const { code } = await transform(block, { loader: 'tsx', jsx: 'automatic', format: 'esm' })
  // A file in this folder, so that its imports resolve as they do here.
  const file = join(import.meta.dirname, `.quick-start-${process.pid}.mjs`)
  await writeFile(file, code)
  t.teardown(async () => { await rm(file) })
  const { Chat } = await import(pathToFileURL(file).href) as { Chat: FunctionComponent<{ jwt: string }> }

  // In a browser, this is the page's address.
  const base = document.createElement('base')
  base.href = origin
  document.head.append(base)
  t.teardown(() => base.remove())
  t.intercept(globalThis, 'WebSocket' as any, { value: options.WebSocket, configurable: true })
  const { fetch } = globalThis
  t.intercept(globalThis, 'fetch', { value: (path: string, init: RequestInit) => fetch(new URL(path, origin), init), configurable: true })

  const page = mount(t)
  await page.strict(createElement(Chat, { jwt: token }))
  const button = page.container.querySelector('button')!
  t.equal(button.disabled, true)
  await eventually(() => !button.disabled)
  app.wsHub.broadcast({ from: 'bob', text: 'hi' })
  await eventually(() => button.textContent === 'bob: hi')
})
