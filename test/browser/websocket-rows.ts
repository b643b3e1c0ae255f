import type { AirlockWebSocketClass } from '@fastify-airlock/client/websocket'
import { rows } from '../../packages/client/test/websocket-table.js'

/** Time for a row, in milliseconds: for those that would never end. */
const PATIENCE = 60_000

/**
 * Runs the table of the interface on a class of sockets: in any runtime, so nothing of Node is used.
 *
 * @param url of a server that does what it is told
 * @param otherwise what may come instead, by what the row says: a list of answers
 * @returns what each row has given that has not given what it should, and how many there are
 */
export async function runRows (Class: AirlockWebSocketClass, url: string, otherwise: Record<string, unknown[]> = {}) {
  const wrong: Record<string, unknown> = {}
  const open = async (protocols: string[] = []) => {
    const socket = new Class(url, protocols)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('close', ({ code, reason }) => { reject(new Error(`not open: ${code} ${reason}`)) })
    })
    return socket
  }
  for (const { says, run, expected } of rows) {
    let timer
    const late = new Promise(resolve => { timer = setTimeout(resolve, PATIENCE, 'no end') })
    let got
    try {
      got = await Promise.race([run({ Class, url, open }), late])
    } catch (error) {
      got = (error as Error).name
    }
    clearTimeout(timer)
    if (!(otherwise[says] ?? [expected]).some(answer => text(got) === text(answer))) wrong[says] = got
  }
  return { wrong, count: rows.length }
}

/** The same text for the same value, in whichever order its members are. */
function text (value: unknown): string {
  return JSON.stringify(value, (_name, member) => member?.constructor === Object ? Object.fromEntries(Object.entries(member).sort()) : member)
}
