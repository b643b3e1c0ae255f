import type { ProductId } from './order.js'

const PATHS: Record<ProductId, string> = {
  tea: 'M10 20h24v10a9 9 0 0 1-9 9h-6a9 9 0 0 1-9-9zM34 23h3a4 4 0 0 1 0 9h-3M22 20v-4l6-3M28 13h5v-4',
  coffee: 'M11 18h23v12a9 9 0 0 1-9 9h-5a9 9 0 0 1-9-9zM34 22h3a4 4 0 0 1 0 9h-3M18 13c-2-2 2-4 0-6M26 13c-2-2 2-4 0-6',
  lemonade: 'M14 14h20l-3 26H17zM15 22h18M26 14l4-9h5M20 30h.01M25 34h.01M26 28h.01',
  croissant: 'M6 31c1-13 10-21 18-21s17 8 18 21c-5 3-9 1-11-3-1-4-4-6-7-6s-6 2-7 6c-2 4-6 6-11 3zM17 12l2 10M31 12l-2 10M9 20l6 6M39 20l-6 6',
  sandwich: 'M7 20c0-6 7-10 17-10s17 4 17 10zM7 25c3 3 5 3 8 0 3 3 6 3 9 0 3 3 6 3 9 0 3 3 5 3 8 0M7 31h34v3a5 5 0 0 1-5 5H12a5 5 0 0 1-5-5z',
  soup: 'M6 24h36c0 8-6 15-14 15h-8C12 39 6 32 6 24zM28 24l9-15M17 18c-2-2 2-4 0-7M24 18c-2-2 2-4 0-7'
}

/** A drawing of a product. */
export function Picture ({ of }: { of: ProductId }) {
  return (
    <svg viewBox='0 0 48 48' aria-hidden='true' fill='none' stroke='currentColor' strokeWidth='2.5' strokeLinecap='round' strokeLinejoin='round'>
      <path d={PATHS[of]} />
    </svg>
  )
}
