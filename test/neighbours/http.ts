import { randomBytes } from 'node:crypto'
import net from 'node:net'

export interface Request {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string
}

export interface Answer {
  status: number
  headers: Record<string, string>
  /** Parsed where it is JSON. */
  body: Record<string, unknown>
  cookies: string[]
}

/** Time that a server has to end a connection, in milliseconds. */
const PATIENCE = 60_000

/** The headers of an upgrade. */
export const upgrade = (headers: Record<string, string> = {}): Record<string, string> => ({
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': randomBytes(16).toString('base64'),
  ...headers
})

/**
 * Sends a request over a socket of its own, and reads until the server closes it.
 *
 * @throws when the server leaves the socket open, or sends more than one answer
 */
export async function send (port: number, { method = 'GET', path = '/ws', headers = {}, body = '' }: Request): Promise<Answer> {
  const socket = net.connect(port, '127.0.0.1')
  const lines = Object.entries({ host: `127.0.0.1:${port}`, connection: 'close', ...headers, ...(method === 'POST' && { 'content-length': String(body.length) }) })
  socket.write([`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n'))
  let text = ''
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => { socket.destroy(new Error(`${method} ${path}: left open after ${JSON.stringify(text)}`)) }, PATIENCE)
    socket.setEncoding('latin1').on('data', chunk => { text += chunk }).on('error', reject).on('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  return read(text, method)
}

function read (text: string, method: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const [status = '', ...lines] = text.slice(0, end).split('\r\n')
  const pairs = lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)] as const)
  const headers = Object.fromEntries(pairs)
  const body = text.slice(end + 4)
  const length = Number(headers['content-length'] ?? 0)
  if (end === -1 || body.length !== (method === 'HEAD' ? 0 : length)) throw new Error(`not one answer: ${text}`)
  return {
    status: Number(status.split(' ')[1]),
    headers,
    body: body.startsWith('{') ? JSON.parse(body) : {},
    cookies: pairs.flatMap(([name, value]) => name === 'set-cookie' ? [value.split(';', 1)[0] as string] : [])
  }
}
