/** Why an upgrade was refused. A browser does not say, so the demo keeps its answer for a minute. */
export interface Refusal {
  statusCode: number
  code: string
  message: string
}

/** Creates an id for an attempt. The demo keeps its answer under that id. */
export function attemptId (): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Asks the demo how it answered an attempt; `null` if it does not know. */
export async function askRefusal (attempt: string): Promise<Refusal | null> {
  try {
    const response = await fetch(`/refusals/${attempt}`)
    return response.ok ? await response.json() as Refusal : null
  } catch {
    return null
  }
}

/** Describes a refusal in a line. */
export function describeRefusal ({ statusCode, code, message }: Refusal): string {
  return `HTTP ${statusCode}, ${message} (${code})`
}
