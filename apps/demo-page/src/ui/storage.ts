// Storage may be denied or full. The page works without what it stores, and nothing in it is secret.

/** Reads a value; `null` if there is none. */
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
    // Then the value is not stored.
  }
}

function open (storage: 'local' | 'session'): Storage {
  return storage === 'local' ? localStorage : sessionStorage
}
