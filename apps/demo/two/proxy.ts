import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'

/** Where a node listens. */
export interface Place {
  host: string
  port: number
}

/**
 * Listens, and hands each connection to one node after the other; a node that cannot be reached is left out. It passes bytes, so
 * TLS and WebSockets go through it as they are. For a demo: a real load balancer also tells the nodes the address of the client.
 *
 * @param nodes may be added later
 * @throws the error of `node:net` when the address is taken
 */
export async function startProxy (nodes: readonly Place[], { host, port }: Place): Promise<{ port: number, close (): void }> {
  const open = new Set<Socket>()
  const watch = (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => {}).once('close', () => open.delete(socket))
  }
  let turn = 0
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    watch(client)
    const first = turn++
    attempt(0)

    function attempt (tries: number): void {
      const node = nodes[(first + tries) % nodes.length]
      if (tries >= nodes.length || node === undefined) {
        client.destroy()
        return
      }
      const upstream = connect({ ...node, allowHalfOpen: true, noDelay: true })
      const failed = () => attempt(tries + 1)
      watch(upstream)
      upstream.once('error', failed)
      upstream.once('connect', () => {
        upstream.off('error', failed)
        if (client.destroyed) return upstream.destroy()
        // Either end takes the other with it when it breaks.
        pipeline(client, upstream, error => { if (error) client.destroy() })
        pipeline(upstream, client, error => { if (error) upstream.destroy() })
      })
    }
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close () {
      server.close()
      for (const socket of open) socket.destroy()
    }
  }
}
