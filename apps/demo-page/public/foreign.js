// Runs in a sandboxed frame, whose origin is "null": what a page of somebody else could do, and no more.
window.addEventListener('message', ({ source, data }) => {
  if (source !== window.parent) return
  const socket = new WebSocket(data.url, data.protocols)
  socket.onopen = () => socket.close(1000)
  socket.onclose = ({ code }) => window.parent.postMessage({ code }, '*')
})
