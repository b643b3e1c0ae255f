/**
 * What `createWebSocketStream` of `ws` needs of a socket to end it: read in `ws` 8.18 to 8.23 (`lib/stream.js`, `_final`). Without
 * it, `end()` of such a stream throws; nothing else uses it.
 *
 * @param closed whether the socket has closed
 * @param onceClosed calls back when it closes
 */
export function streamEnd (closed: () => boolean, onceClosed: (callback: () => void) => void): object {
  return {
    _writableState: { get finished () { return closed() } },
    once (_event: 'finish', callback: () => void) { onceClosed(callback) }
  }
}
