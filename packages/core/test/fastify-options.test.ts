import t from 'tap'
import { withoutFastifyOptions } from '../src/index.js'

t.test('the options of register are left out, and the given object stays as it is', async t => {
  const options = { prefix: '/api', logLevel: 'warn', logSerializers: {}, max: 1, logger: true }
  t.same(withoutFastifyOptions(options), { max: 1, logger: true })
  t.equal(options.prefix, '/api')
  t.same(withoutFastifyOptions({ prefix: undefined }), {})
})
