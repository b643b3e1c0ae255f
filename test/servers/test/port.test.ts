import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import t from 'tap'
import { freePort } from '../src/index.js'

t.test('a port that is free, again and again, and that the system gives to nobody by itself', async t => {
  // Elsewhere than on Linux there is no such file, and the lowest port given out is above this one.
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '32768')
  for (let i = 0; i < 3; i++) {
    const port = await freePort()
    t.ok(port < parseInt(range), `${port}`)
    for (let restart = 0; restart < 2; restart++) {
      const server = createServer().listen(port, '127.0.0.1')
      await once(server, 'listening')
      server.close()
      await once(server, 'close')
    }
  }
})
