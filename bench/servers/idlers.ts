import { serve } from '../lib/child.js'
import { all, type Credential } from '../lib/flow.js'
import { clientFrame, Peer } from '../lib/peer.js'

const PING = Buffer.from([0x89, 0])
const PONG = clientFrame(0xa, Buffer.alloc(0))
let pings = 0

async function enter (port: number, { ticket, token }: Credential): Promise<void> {
  const peer = new Peer(port)
  await peer.upgrade('/ws', [`Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket}`])
  const before = peer.received
  await peer.send(clientFrame(1, Buffer.from(JSON.stringify({ type: 'auth', token }))), () => peer.received > before)
  peer.socket.on('data', data => {
    if (!data.equals(PING)) return
    pings++
    peer.socket.write(PONG)
  })
}

// Clients in a process of their own, that do nothing but answer pings.
serve({
  enter: async ({ port, credentials }: { port: number, credentials: Credential[] }) =>
    await all(credentials, async credential => await enter(port, credential)),
  pings: () => pings
})
