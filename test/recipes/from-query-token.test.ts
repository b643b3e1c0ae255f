import { readFile } from 'node:fs/promises'
import t from 'tap'
import { build, listen } from '../helpers.js'
import { socketRoute } from './from-query-token.js'

t.test('the document has exactly this code', async t => {
  const document = await readFile(new URL('../../docs/recipes/from-query-token.md', import.meta.url), 'utf8')
  const [code] = /^```ts\n.*?^```$/ms.exec(document) ?? []
  t.equal(code, `\`\`\`ts\n${await readFile(new URL('from-query-token.ts', import.meta.url), 'utf8')}\`\`\``)
})

t.test('pages of before and after are let in, until the old way is over', async t => {
  const { app, log } = await build(t)
  let isOver = false
  socketRoute(app, () => isOver)
  const { connect, sign } = await listen(t, app)
  const hello = async (path: string, protocols?: string[]): Promise<string> => {
    const { socket } = await connect(path, protocols)
    const answer = new Promise<string>(resolve => socket.once('message', data => resolve(String(data))))
    socket.send('hi')
    return await answer
  }
  const token = sign('alice')
  const { ticket } = await app.wsTickets.issue('bob')
  t.equal(await hello(`/ws?token=${token}`), 'alice: hi')
  t.equal(await hello('/ws', ['airlock.v1', `ticket.${ticket}`]), 'bob: hi')
  t.equal(log.filter(line => line.includes('a JWT in the URL')).length, 1, 'who still comes with one is in the log')
  t.notOk(log.join('').includes(token), 'and the JWT is not')
  await t.rejects(hello(`/ws?token=${token}x`), { message: /^HTTP 401/ })
  await t.rejects(hello(`/ws?token=${token}`, ['airlock.v1', `ticket.${(await app.wsTickets.issue('bob')).ticket}`]), { message: /^HTTP 400/ }, 'both at once')
  isOver = true
  await t.rejects(hello(`/ws?token=${token}`), { message: /^HTTP 401/ })
  t.equal(await hello('/ws', ['airlock.v1', `ticket.${(await app.wsTickets.issue('bob')).ticket}`]), 'bob: hi')
})
