import { explain, request } from './api.js'
import { createLog } from './log.js'
import { scenarios, tryScenario } from './scenarios.js'
import { closed, opened, openSocket, received, send } from './socket.js'
import { createSystems } from './systems.js'

const $ = id => document.getElementById(id)
const log = createLog($('log'))
const LANE = 'main'

/** @type {{ user: any, token?: string, ticket: any, socket: WebSocket | null, ready: boolean, expiresAt: number }} */
const state = { user: null, ticket: null, socket: null, ready: false, expiresAt: 0 }

const systems = createSystems({ call, log, tell, getTicket, token: () => state.token })

// HTTP

async function call (method, path, options) {
  const answer = await request(method, path, options)
  log(answer.ok ? 'info' : 'bad', 'http', `${method} ${path}: ${answer.ok ? answer.status : explain(answer)}`)
  return answer
}

async function login (username, password) {
  const answer = await call('POST', '/login', { json: { username, password } })
  if (!answer.ok) return tell('who', explain(answer))
  Object.assign(state, answer.body, { ticket: null })
  tell('who', `Logged in as ${state.user.name}, role ${state.user.role}.`)
}

async function logout () {
  await call('POST', '/logout', { token: state.token })
  Object.assign(state, { user: null, token: undefined, ticket: null })
  tell('who', 'Logged out. The JWT is revoked, unused tickets are void and sockets are closed.')
}

async function getTicket () {
  const answer = await call('POST', '/ws/ticket', { token: state.token })
  if (!answer.ok) throw new Error(explain(answer))
  return answer.body
}

async function otherToken () {
  const [username, password] = state.user.id === 'bob' ? ['alice', 'wonderland'] : ['bob', 'builder']
  // Without credentials the answer's cookie is dropped, so the session here stays who it is.
  const answer = await call('POST', '/login', { json: { username, password }, credentials: 'omit' })
  if (!answer.ok) throw new Error(explain(answer))
  return answer.body.token
}

// The connection

async function takeTicket () {
  state.ticket = await getTicket()
  const { ticket, expiresIn } = state.ticket
  log('info', 'http', `ticket ${ticket}, good for ${expiresIn} s`)
  tell('door', `A ticket, good for ${expiresIn} s.`)
}

async function connect () {
  state.socket?.close(1000)
  const { route, carrier } = values('connection')
  const credential = route === '/ws/bearer' ? { bearer: state.token } : { ticket: state.ticket?.ticket, carrier }
  const socket = openSocket({ path: route, ...credential, log, lane: LANE })
  Object.assign(state, { socket, ticket: null, ready: false })
  watch(socket)
  tell('door', 'Connecting.')
  if (!await opened(socket)) return
  state.ready = route === '/ws/bearer'
  tell('door', state.ready ? 'Connected: the JWT on the upgrade was enough.' : 'Connected, but not yet trusted: send the JWT before the deadline.')
}

async function authenticate () {
  const { socket } = state
  const welcome = received(socket, 'auth_ok')
  send(socket, { type: 'auth', token: state.token }, log, LANE)
  if (await welcome === null) return
  state.ready = true
  tell('door', `Through both doors as ${state.user.name}.`)
}

async function passBoth () {
  if (values('connection').route !== '/ws/bearer') await takeTicket()
  await connect()
  if (state.socket?.readyState === WebSocket.OPEN && !state.ready) await authenticate()
}

function watch (socket) {
  received(socket, 'expiring').then(message => {
    if (message !== null) tell('door', 'The JWT expires soon: log in again, then refresh.')
  })
  closed(socket).then(code => {
    if (state.socket !== socket) return
    Object.assign(state, { socket: null, ready: false })
    tell('door', code === 1006 ? 'Refused before the upgrade (1006), or the connection was lost.' : `Closed with ${code}.`)
  })
}

// The page

function tell (id, text) {
  $(id).textContent = text
  render()
}

function values (form) {
  return Object.fromEntries(new FormData($(form)))
}

function render () {
  const loggedIn = state.token !== undefined
  const bearer = values('connection').route === '/ws/bearer'
  const open = state.socket?.readyState === WebSocket.OPEN
  const steps = { session: loggedIn, ticket: state.ticket !== null || open, open, ready: state.ready }
  for (const item of $('path').children) {
    item.classList.toggle('done', steps[item.dataset.step])
    item.toggleAttribute('aria-current', steps[item.dataset.step])
  }
  enable('logout', loggedIn)
  enable('carriers', !bearer)
  enable('get-ticket', loggedIn && !bearer)
  enable('connect', bearer ? loggedIn : state.ticket !== null)
  enable('authenticate', open && !state.ready && loggedIn)
  enable('all', loggedIn)
  enable('refresh', state.ready && loggedIn && !bearer)
  enable('disconnect', open)
  enableForm('echo', state.ready)
  enableForm('broadcast', loggedIn)
  enable('reset-kiosks', state.user?.role === 'admin')
  enable('external-whoami', systems.isOpen('external'))
  enable('upstream-connect', loggedIn)
  enable('call-api', loggedIn)
  enableForm('upstream-echo', systems.isOpen('upstream'))
  for (const [index, { needs }] of scenarios.entries()) {
    const button = $('scenarios').children[index].querySelector('button')
    button.disabled = button.dataset.busy === 'true' || !allowed(needs)
  }
}

function allowed (needs) {
  if (needs === undefined) return true
  return state.user !== null && (needs === 'user' || state.user.role !== 'admin')
}

function enable (id, on) {
  $(id).disabled = !on
}

function enableForm (id, on) {
  for (const element of $(id).elements) element.disabled = !on
}

function showScenarios () {
  for (const scenario of scenarios) {
    const item = $('scenario').content.cloneNode(true)
    const button = item.querySelector('button')
    const output = item.querySelector('output')
    item.querySelector('h3').textContent = scenario.title
    item.querySelector('.expect').textContent = `${scenario.expect}. ${scenario.why}`
    button.setAttribute('aria-label', `Try: ${scenario.title}`)
    button.addEventListener('click', () => run(scenario, button, output))
    $('scenarios').append(item)
  }
}

async function run (scenario, button, output) {
  const report = (text, className = '') => {
    output.textContent = text
    output.className = className
  }
  button.dataset.busy = 'true'
  report('…')
  render()
  try {
    const { code, asExpected } = await tryScenario(scenario, { token: state.token, getTicket, otherToken, log, report })
    report(`${code}, ${asExpected ? 'as expected' : `where ${scenario.expect} was expected`}`, asExpected ? 'good' : 'bad')
  } catch (error) {
    report(error.message, 'bad')
  }
  button.dataset.busy = 'false'
  render()
}

/** Whatever a control does, its failure is shown and the page stays true. */
function on (id, event, action, place) {
  $(id).addEventListener(event, async happening => {
    happening.preventDefault()
    try {
      await action()
    } catch (error) {
      tell(place, error.message)
      log('bad', 'page', error.message)
    }
    render()
  })
}

on('login', 'submit', () => {
  const { username, password } = values('login')
  return login(username, password)
}, 'who')
on('logout', 'click', logout, 'who')
on('get-ticket', 'click', takeTicket, 'door')
on('connect', 'click', connect, 'door')
on('authenticate', 'click', authenticate, 'door')
on('connection', 'submit', passBoth, 'door')
on('refresh', 'click', () => send(state.socket, { type: 'refresh', token: state.token }, log, LANE), 'door')
on('disconnect', 'click', () => state.socket.close(1000), 'door')
on('echo', 'submit', () => send(state.socket, { type: 'echo', data: values('echo').text }, log, LANE), 'door')
on('broadcast', 'submit', async () => {
  const answer = await call('POST', '/broadcast', { json: { data: values('broadcast').text }, token: state.token })
  if (answer.ok) log('info', 'http', `delivered to ${answer.body.delivered} of this node`)
}, 'door')
on('reset-kiosks', 'click', async () => {
  const answer = await call('POST', '/kiosk/reset', { token: state.token })
  if (answer.ok) log('info', 'http', `delivered to ${answer.body.delivered} of this node`)
}, 'door')
on('external-login', 'submit', () => systems.externalLogin(values('external-login')), 'external-state')
on('external-me', 'click', systems.externalMe, 'external-state')
on('external-connect', 'click', systems.externalConnect, 'external-state')
on('external-whoami', 'click', systems.externalWhoAmI, 'external-state')
on('external-logout', 'click', systems.externalLogout, 'external-state')
on('upstream-connect', 'click', systems.upstreamConnect, 'upstream-state')
on('upstream-echo', 'submit', () => systems.upstreamEcho(values('upstream-echo').text), 'upstream-state')
on('call-api', 'click', systems.callApi, 'upstream-state')
on('clear', 'click', () => $('log').replaceChildren(), 'door')

$('connection').addEventListener('change', render)
$('show-ticks').addEventListener('change', ({ target }) => $('log').classList.toggle('no-ticks', !target.checked))
for (const button of document.querySelectorAll('[data-username]')) {
  button.addEventListener('click', () => {
    const { username, password } = button.dataset
    Object.assign($('login').elements.username, { value: username })
    Object.assign($('login').elements.password, { value: password })
    $('login').requestSubmit()
  })
}

showScenarios()
tell('who', 'Nobody is logged in.')
tell('door', 'Not connected.')
tell('external-state', 'No token yet.')
tell('upstream-state', 'Not connected.')
