/** What nodes, clients and publishers of the chaos agree on; times in milliseconds. */
export const NODES = 3
export const CLIENTS = 300
/** Topics that each client subscribes to. */
export const TOPICS_EACH = 3
/** Publications that each topic keeps, by its first level. Of a large one no more are published; a small one is too small now and then. */
export const SIZES: Readonly<Record<string, number>> = { large: 100_000, small: 10 }
export const TOPICS: readonly string[] = Array.from({ length: 20 }, (_, index) => `${index % 5 === 4 ? 'small' : 'large'}/${index}`)
/** Tasks of the servers that publish, each of them one publication after the other. */
export const SERVER_PUBLISHERS = 12
/** Clients that publish. */
export const CLIENT_PUBLISHERS = 12
/** Mean time between two publications of a publisher. */
export const PUBLISH_EVERY = 700
/** Longer than everything is away together. */
export const GAP_TIMEOUT = 60_000
/** Longer than a busy machine takes for anything that does come. */
export const PATIENT = 60_000

/** Publications that a topic keeps. */
export function sizeOf (topic: string): number {
  return SIZES[topic.split('/')[0] as string] as number
}
