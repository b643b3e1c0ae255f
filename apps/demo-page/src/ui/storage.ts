// Storage may be denied, or full. Nothing that is kept in it is needed, and nothing of it is secret.

/** Reads a value, `null` where there is none. */
export function read (storage: 'local' | 'session', name: string): string | null {
  try {
    return open(storage).getItem(name)
  } catch {
    return null
  }
}

/** Writes a value; `null` removes it. */
export function write (storage: 'local' | 'session', name: string, value: string | null): void {
  try {
    if (value === null) open(storage).removeItem(name)
    else open(storage).setItem(name, value)
  } catch {
    // Then it is not kept.
  }
}

function open (storage: 'local' | 'session'): Storage {
  return storage === 'local' ? localStorage : sessionStorage
}
