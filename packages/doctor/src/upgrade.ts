import { TICKET_PARAMETER } from '@fastify-airlock/protocol'
import { randomBytes } from 'node:crypto'
import type { CarrierName, DoctorSettings } from './options.js'
import type { Peer } from './peer.js'
import type { Connection, Head } from './wire.js'

/** How an upgrade is different from an honest one. */
export interface UpgradeShape {
  /** @default that of the options */
  url?: URL
  /** `null` for none. */
  credential: string | null
  /**
   * Another one is a query or a cookie, of the usual name.
   * @default that of the options
   */
  carrier?: CarrierName
  /** Values of `Sec-WebSocket-Protocol`, in place of subprotocol and carrier. */
  protocols?: readonly string[]
  /** @default that of the options */
  subprotocol?: string | false
  /**
   * `false` for none.
   * @default that of the options
   */
  origin?: string | false
  /** More parameters, as they are. */
  query?: readonly string[]
  /** More cookies, as they are. */
  cookies?: readonly string[]
  /** More lines of the head. */
  headers?: readonly string[]
  /** Changes the lines of the head, of which the first is the request line. */
  change?: (lines: string[]) => string[]
  /** Sent behind the head. */
  body?: string
}

/** How the server answered an upgrade. */
export interface Upgrade extends Head {
  /** 0 where nothing came. */
  status: number
  body: string
  /** `null` unless the status is 101. */
  peer: Peer | null
  connection: Connection
}

/** The bytes of an upgrade request. */
export function upgradeHead (shape: UpgradeShape, settings: DoctorSettings): string {
  const { url = settings.url, credential, carrier = settings.carrier, subprotocol = settings.subprotocol, origin = settings.origin } = shape
  const name = carrier === settings.carrier ? settings.carrierName : TICKET_PARAMETER
  const query = [...(url.search === '' ? [] : [url.search.slice(1)]), ...(carrier === 'query' && credential !== null ? [`${name}=${credential}`] : []), ...(shape.query ?? [])]
  const cookies = [...(carrier === 'cookie' && credential !== null ? [`${name}=${credential}`] : []), ...(shape.cookies ?? [])]
  const protocols = shape.protocols ?? [
    ...(subprotocol === false ? [] : [subprotocol]),
    ...(carrier === 'subprotocol' && credential !== null ? [name + credential] : [])
  ]
  const lines = [
    `GET ${url.pathname}${query.length > 0 ? `?${query.join('&')}` : ''} HTTP/1.1`,
    `Host: ${url.host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...(origin === false ? [] : [`Origin: ${origin}`]),
    ...(protocols.length > 0 ? [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`] : []),
    ...(cookies.length > 0 ? [`Cookie: ${cookies.join('; ')}`] : []),
    ...(carrier === 'header' && credential !== null ? [`Authorization: Bearer ${credential}`] : []),
    ...(shape.headers ?? [])
  ]
  return `${(shape.change?.(lines) ?? lines).join('\r\n')}\r\n\r\n${shape.body ?? ''}`
}
