/** The products. Prices are in cents. */
export const PRODUCTS = [
  { id: 'tea', name: 'Tea', price: 240 },
  { id: 'coffee', name: 'Coffee', price: 280 },
  { id: 'lemonade', name: 'Lemonade', price: 320 },
  { id: 'croissant', name: 'Croissant', price: 260 },
  { id: 'sandwich', name: 'Sandwich', price: 590 },
  { id: 'soup', name: 'Soup', price: 640 }
] as const

export type ProductId = typeof PRODUCTS[number]['id']

/** How many of each product. */
export type Order = Readonly<Partial<Record<ProductId, number>>>

/** Returns the order with one more of a product, or one less. */
export function change (order: Order, id: ProductId, by: 1 | -1): Order {
  const { [id]: count = 0, ...others } = order
  return count + by <= 0 ? others : { ...order, [id]: count + by }
}

/** Returns the number of products, and their price in cents. */
export function total (order: Order): { count: number, price: number } {
  return PRODUCTS.reduce(({ count, price }, product) => {
    const ordered = order[product.id] ?? 0
    return { count: count + ordered, price: price + ordered * product.price }
  }, { count: 0, price: 0 })
}

/** Formats cents as a price. */
export function money (cents: number): string {
  return `€ ${(cents / 100).toFixed(2)}`
}
