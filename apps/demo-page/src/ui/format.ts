/** Formats how long something took: `0.8 ms`, `12 ms`, `3.4 s`. */
export function duration (ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return `${(ms / 1_000).toFixed(1)} s`
}

/** Formats a time that is left or has passed: `0:07`, `14:59`, `2:03:00`. */
export function clock (ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000))
  const pad = (part: number) => String(part).padStart(2, '0')
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${pad(seconds % 60)}`
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`
}

/** Formats the time of day: `17:05:03`. */
export function timeOfDay (at: number): string {
  return new Date(at).toLocaleTimeString('en-GB')
}

/**
 * Formats a moment in the past: `17:05:03` of today, or `25 November, 17:05:03`.
 *
 * @param at in milliseconds since the epoch
 */
export function moment (at: number, now = Date.now()): string {
  const date = new Date(at)
  if (date.toDateString() === new Date(now).toDateString()) return timeOfDay(at)
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'long' })}, ${timeOfDay(at)}`
}

/** Formats a size: `27 B`, `9.0 kB`. */
export function size (bytes: number): string {
  return bytes < 1_000 ? `${bytes} B` : `${(bytes / 1_000).toFixed(1)} kB`
}
