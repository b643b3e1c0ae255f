/**
 * One HTTP request with a JSON answer.
 *
 * @returns {Promise<{ ok: boolean, status: number, body: any }>}
 */
export async function request (method, path, { json, token, credentials = 'same-origin' } = {}) {
  const response = await fetch(path, {
    method,
    credentials,
    headers: {
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` })
    },
    ...(json !== undefined && { body: JSON.stringify(json) })
  })
  const text = await response.text()
  return { ok: response.ok, status: response.status, body: text === '' ? null : JSON.parse(text) }
}

/** What went wrong, in the server's words. */
export function explain ({ status, body }) {
  return `${status} ${body?.code ?? ''} ${body?.message ?? ''}`.trim()
}
