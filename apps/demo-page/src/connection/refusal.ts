/** Why an upgrade was refused. A browser does not tell, so the demo keeps it for a minute. */
export interface Refusal {
  statusCode: number
  code: string
  message: string
}

/** Name for an attempt: the demo keeps its answer under it. */
export function attemptId (): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Asks what an attempt was answered; `null` where the demo does not know. */
export async function askRefusal (attempt: string): Promise<Refusal | null> {
  try {
    const response = await fetch(`/refusals/${attempt}`)
    return response.ok ? await response.json() as Refusal : null
  } catch {
    return null
  }
}

/** A refusal in a line. */
export function describeRefusal ({ statusCode, code, message }: Refusal): string {
  return `HTTP ${statusCode}, ${message} (${code})`
}
