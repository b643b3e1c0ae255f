import { Chat } from '../chat'

/** The same, where Fastify has a host or a port of its own. */
export default function Page () {
  return <Chat api={process.env.PUBLIC_API_URL} />
}

// What the environment says when the page is asked for.
export const dynamic = 'force-dynamic'
