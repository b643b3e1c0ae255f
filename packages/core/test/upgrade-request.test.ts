import t from 'tap'
import { asksForWebSocket } from '../src/index.js'

t.test('who asks for a WebSocket', async t => {
  for (const [upgrade, asks] of [
    ['websocket', true], ['WebSocket', true], [' websocket ', true], ['h2c, websocket', true], ['websocket,h2c', true],
    ['h2c', false], ['websockets', false], ['web socket', false], ['TLS/1.0', false], ['', false], [undefined, false]
  ] as const) t.equal(asksForWebSocket({ headers: { upgrade } }), asks, String(upgrade))
})
