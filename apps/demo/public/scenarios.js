import { closed, opened, openSocket, received, send } from './socket.js'

const NOT_UPGRADED = 1006

/**
 * What must not work, and how the server says so. `run` uses the tools of {@link tryScenario} and settles with a
 * close code; `needs` is who has to be logged in.
 */
export const scenarios = [
  {
    title: 'No ticket',
    expect: NOT_UPGRADED,
    why: 'HTTP 401 before any 101.',
    run: ({ open }) => closed(open({}))
  },
  {
    title: 'An invented ticket',
    expect: NOT_UPGRADED,
    why: 'HTTP 401. The server keeps hashes of tickets, and this one has none.',
    run: ({ open }) => closed(open({ ticket: inventTicket() }))
  },
  {
    title: 'An expired ticket',
    needs: 'user',
    expect: NOT_UPGRADED,
    why: 'HTTP 401. Takes as long as a ticket lives.',
    async run ({ open, getTicket, wait }) {
      const { ticket, expiresIn } = await getTicket()
      await wait(expiresIn + 1, 'until the ticket has expired')
      return closed(open({ ticket }))
    }
  },
  {
    title: 'A ticket used twice',
    needs: 'user',
    expect: NOT_UPGRADED,
    why: 'HTTP 401 for the second one, unless the server runs with TICKET_REUSE.',
    async run ({ open, getTicket }) {
      const { ticket } = await getTicket()
      const first = open({ ticket })
      if (!await opened(first)) return NOT_UPGRADED
      first.close(1000)
      const second = open({ ticket })
      const code = closed(second)
      if (await opened(second)) second.close(1000)
      return code
    }
  },
  {
    title: 'Two credentials at once',
    needs: 'user',
    expect: NOT_UPGRADED,
    why: 'HTTP 400: one in the URL, one as a subprotocol. Neither is used up.',
    async run ({ open, getTicket }) {
      const { ticket } = await getTicket()
      return closed(open({ path: `/ws/demo?ticket=${inventTicket()}`, ticket }))
    }
  },
  {
    title: 'Connected, then silent',
    needs: 'user',
    expect: 4408,
    why: 'The first frame has a deadline.',
    run: async ({ enter }) => closed(await enter())
  },
  {
    title: 'Something else than a JWT first',
    needs: 'user',
    expect: 4400,
    why: 'Nothing else is read before authentication.',
    run: ({ enter, say }) => say(enter(), { type: 'echo', data: 'hello?' })
  },
  {
    title: 'A bad JWT',
    needs: 'user',
    expect: 4401,
    why: 'A good ticket does not help.',
    run: ({ enter, say, token }) => say(enter(), { type: 'auth', token: spoil(token) })
  },
  {
    title: 'Somebody else’s JWT',
    needs: 'user',
    expect: 4403,
    why: 'The JWT is valid, but not of the user whose ticket opened the first door.',
    run: async ({ enter, say, otherToken }) => {
      const token = await otherToken()
      return say(enter(), { type: 'auth', token })
    }
  },
  {
    title: 'Authenticated twice',
    needs: 'user',
    expect: 4429,
    why: 'There is one attempt.',
    async run ({ enter, say, token }) {
      const socket = await enter()
      const welcome = received(socket, 'auth_ok')
      const code = say(socket, { type: 'auth', token })
      if (await welcome !== null) say(socket, { type: 'auth', token })
      return code
    }
  },
  {
    title: 'A user on the admins’ route',
    needs: 'not admin',
    expect: 4403,
    why: 'The role in the JWT decides, so the first door lets them in.',
    run: ({ enter, say, token }) => say(enter('/ws/admin'), { type: 'auth', token })
  }
]

/**
 * Runs one scenario on sockets of its own.
 *
 * @param {object} tools
 * @param {string} [tools.token] the JWT of who is logged in
 * @param {() => Promise<{ ticket: string, expiresIn: number }>} tools.getTicket
 * @param {() => Promise<string>} tools.otherToken logs somebody else in
 * @param {Function} tools.log
 * @param {(text: string) => void} tools.report
 */
export async function tryScenario (scenario, { log, report, ...tools }) {
  const lane = scenario.title.toLowerCase()
  const open = options => openSocket({ path: '/ws/demo', ...options, log, lane })

  const enter = async (path = '/ws/demo') => {
    const { ticket } = await tools.getTicket()
    const socket = open({ path, ticket })
    if (!await opened(socket)) throw new Error('the first door stayed shut')
    return socket
  }
  const say = async (entering, message) => {
    const socket = await entering
    const code = closed(socket)
    send(socket, message, log, lane)
    return code
  }
  const wait = async (seconds, what) => {
    for (let left = seconds; left > 0; left--) {
      report(`${left} s ${what}`)
      await new Promise(resolve => setTimeout(resolve, 1000))
    }
  }

  const code = await scenario.run({ ...tools, open, enter, say, wait })
  return { code, asExpected: code === scenario.expect }
}

function inventTicket () {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace('=', '')
}

/** The same JWT with another signature. */
function spoil (token) {
  const [header, payload] = token.split('.')
  return `${header}.${payload}.${inventTicket()}`
}
