import pretty from 'pino-pretty'

/** A terminal, or a file or pipe. */
interface Output extends NodeJS.WritableStream {
  readonly isTTY?: boolean
}

/**
 * Where log lines go: on a terminal in a form for people, everywhere else as JSON, one object per line.
 *
 * @param output usually standard output
 * @returns `undefined` for the logger's own way, which is the fastest
 */
export function logStreamFor (output: Output): { write (line: string): void } | undefined {
  if (output.isTTY !== true) return undefined
  // In the process and at once: what is logged last has to be on the screen when the process ends.
  return pretty({ destination: output, sync: true, singleLine: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' })
}
