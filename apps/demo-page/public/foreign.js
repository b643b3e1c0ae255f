// Runs in a sandboxed frame with the origin "null". It does what a foreign page could do.
window.addEventListener('message', ({ source, data }) => {
  if (source !== window.parent) return
  const socket = new WebSocket(data.url, data.protocols)
  socket.onopen = () => socket.close(1000)
  socket.onclose = ({ code }) => window.parent.postMessage({ code }, '*')
})
