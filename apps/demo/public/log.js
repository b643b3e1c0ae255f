const MAX_ENTRIES = 400
const SIGNS = { in: '←', out: '→', info: '•', bad: '×' }
const NAMES = { in: 'received', out: 'sent', info: 'event', bad: 'refused' }

/**
 * Makes the function that writes to the log.
 *
 * @param {HTMLElement} list
 * @returns {(kind: 'in' | 'out' | 'info' | 'bad', lane: string, text: string) => void} a lane is one socket, or HTTP
 */
export function createLog (list) {
  return (kind, lane, text) => {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40
    list.append(entry(kind, lane, text))
    if (list.childElementCount > MAX_ENTRIES) list.firstElementChild.remove()
    if (atEnd) list.scrollTop = list.scrollHeight
  }
}

function entry (kind, lane, text) {
  const item = document.createElement('li')
  item.className = kind
  // A screen reader would speak of nothing else.
  if (text.startsWith('{"type":"tick"')) {
    item.classList.add('tick')
    item.setAttribute('aria-live', 'off')
  }
  const sign = part('span', 'sign', SIGNS[kind])
  sign.setAttribute('role', 'img')
  sign.setAttribute('aria-label', NAMES[kind])
  item.append(part('time', '', clock()), sign, part('span', 'lane', lane), part('span', 'text', shorten(text)))
  return item
}

function part (name, className, text) {
  const element = document.createElement(name)
  element.className = className
  element.textContent = text
  return element
}

function clock () {
  const now = new Date()
  return `${now.toLocaleTimeString('en-GB')}.${String(now.getMilliseconds()).padStart(3, '0')}`
}

/** Cuts JWTs and tickets, so that a log can be shown around. */
export function shorten (text) {
  return text
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, jwt => `${jwt.slice(0, 8)}…`)
    .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, ticket => `${ticket.slice(0, 6)}…`)
}
