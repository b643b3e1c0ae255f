import t from 'tap'
import { extensionReader } from '../src/index.js'

t.test('which messages are of an extension', async t => {
  const read = extensionReader('game:')
  for (const text of ['hello', '"game:', '"game:move"', '["game:move"]', 'null "game:', '{"a":"game:x"}', '{"type":7,"a":"game:x"}', '{"type":"games","a":"game:x"}', '{"type":"game\\u003amove"}']) {
    t.equal(read(Buffer.from(text)), null, text)
  }
  t.same(read(Buffer.from('{"type":"game:move","to":7}')), { type: 'game:move', to: 7 })
})
