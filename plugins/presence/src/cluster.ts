/** The part of the hub by which nodes tell each other. */
export interface Cluster {
  /** The id of this node. */
  readonly node: string
  tell (name: string, data: unknown, options: { to: string }): void
  on (name: string, listener: (data: unknown, from: { node: string, own: boolean }) => unknown): () => void
  onNodes (listener: (change: { id: string, state: 'here' | 'gone' }) => unknown): () => void
}
