import type { Position } from '@fastify-airlock/client/topics'
import { usePresence } from '@fastify-airlock/react/presence'
import { useTopic } from '@fastify-airlock/react/topics'
import { type FormEvent, useEffect, useState } from 'react'
import { MAX_TEXT, type Message } from '../src/message.js'

/** Messages that a page keeps of a room. */
const KEPT = 1_000

/** A message is sent again for so long, in milliseconds: the server takes it once. */
const SEND_FOR = 120_000

/** Who has not touched a key for so long does not type any more, in milliseconds. */
const PAUSE = 5_000

interface RoomProps {
  topic: string
  name: string
  since: Position
  user: string
  hidden: boolean
}

export function Room ({ topic, name, since, user, hidden }: RoomProps) {
  const [messages, setMessages] = useState<Message[]>([])
  const [outbox, setOutbox] = useState<Array<Message & { failed?: boolean }>>([])
  const [gap, setGap] = useState(false)
  const { publish, error } = useTopic<Message>(topic, {
    since,
    // One that was sent again after "perhaps" may come twice.
    onMessage: ({ data }) => {
      setMessages(messages => messages.some(other => isSame(other, data)) ? messages : [...messages, data].slice(-KEPT))
      setOutbox(outbox => outbox.filter(other => !isSame(other, data)))
    },
    onSubscribed: ({ recovered }) => { if (recovered === false) setGap(true) }
  })
  const isOut = error !== null && ['WSA_CLIENT_ERR_TOPIC_REFUSED', 'WSA_CLIENT_ERR_TOPIC_LEFT'].includes(error.code)
  const say = (message: Message): void => {
    setOutbox(outbox => [...outbox.filter(other => !isSame(other, message)), message])
    publish(message, { timeout: SEND_FOR }).catch(() => {
      setOutbox(outbox => outbox.map(other => isSame(other, message) ? { ...other, failed: true } : other))
    })
  }

  return (
    <section className='room' aria-label={name} hidden={hidden}>
      <h2>{name}</h2>
      <div className='scroll' role='log' aria-label={`Messages in ${name}`} tabIndex={0}>
        <ol>
          {gap && <li className='gap'>Older messages are not kept any more.</li>}
          {!gap && messages.length + outbox.length === 0 && <li className='gap'>Nobody has said anything here yet.</li>}
          {messages.map(message => <Line key={`${message.from} ${message.id}`} message={message} user={user} />)}
          {outbox.map(({ failed = false, ...message }) => (
            <Line key={`${message.from} ${message.id}`} message={message} user={user}>
              {failed ? <><b>Not sent.</b> <button onClick={() => say(message)}>Send again</button></> : <i>Sending…</i>}
            </Line>
          ))}
        </ol>
      </div>
      {isOut
        ? <p className='empty' role='alert'>You are not in this room any more.</p>
        : <Here topic={topic} name={name} user={user} onSay={text => say({ id: Math.random().toString(36).slice(2), from: user, text })} />}
    </section>
  )
}

/** Who is in the room and who types, and a line to write. */
function Here ({ topic, name, user, onSay }: Pick<RoomProps, 'topic' | 'name' | 'user'> & { onSay: (text: string) => void }) {
  const { users, total, status, set } = usePresence<{ typing: boolean }>(topic)
  const [draft, setDraft] = useState('')
  const [typing, setTyping] = useState(false)
  useEffect(() => { set(typing ? { typing } : null) }, [set, typing])
  useEffect(() => {
    setTyping(draft !== '')
    const pause = setTimeout(() => setTyping(false), PAUSE)
    return () => clearTimeout(pause)
  }, [draft])
  const send = (event: FormEvent): void => {
    event.preventDefault()
    if (draft.trim() === '') return
    onSay(draft)
    setDraft('')
  }
  const isLive = status === 'live'
  const others = users.filter(({ subject, state }) => subject !== user && state?.typing === true).map(({ subject }) => subject)

  return (
    <>
      <aside aria-label={`People in ${name}`} data-live={isLive}>
        <h3>{isLive ? `Here: ${total}` : 'Here before'}</h3>
        <ul>
          {[...users].sort((a, b) => a.subject < b.subject ? -1 : 1).map(({ subject, connections }) => (
            <li key={subject}>{subject}{subject === user && ' (you)'}{connections > 1 && <small> {connections} devices</small>}</li>
          ))}
        </ul>
      </aside>
      <p className='typing'>{isLive && describe(others)}</p>
      <form onSubmit={send}>
        <input aria-label={`Message to ${name}`} placeholder={`Message to ${name}`} value={draft} maxLength={MAX_TEXT} autoComplete='off' onChange={event => setDraft(event.target.value)} />
        <button className='primary'>Send</button>
      </form>
    </>
  )
}

function Line ({ message: { from, text }, user, children }: { message: Message, user: string, children?: React.ReactNode }) {
  return <li data-own={from === user}><b>{from === user ? 'You' : from}</b> <span>{text}</span> {children}</li>
}

function isSame (one: Message, other: Message): boolean {
  return one.id === other.id && one.from === other.from
}

function describe (names: string[]): string {
  if (names.length > 3) return 'Several people are typing…'
  return names.length === 0 ? '' : `${new Intl.ListFormat('en').format(names)} ${names.length === 1 ? 'is' : 'are'} typing…`
}
