import { type FormEvent, useEffect, useState } from 'react'
import { Chat } from './Chat.js'
import { logIn, Refused, restore, type Session } from './session.js'

export function App () {
  // `undefined` until the server has said whether somebody is logged in.
  const [session, setSession] = useState<Session | null>()
  const [note, setNote] = useState('')
  const show = (session: Session | null, note = ''): void => {
    setSession(session)
    setNote(note)
  }
  useEffect(() => { restore().then(session => show(session), error => show(null, explain(error))) }, [])

  if (session === undefined) return <p className='login' role='status'>Loading…</p>
  if (session === null) return <Login note={note} onIn={session => show(session)} />
  return <Chat key={session.user} session={session} onOut={note => show(null, note)} />
}

function Login ({ note, onIn }: { note: string, onIn: (session: Session) => void }) {
  const [problem, setProblem] = useState(note)
  const [busy, setBusy] = useState(false)
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    logIn(String(form.get('name')), String(form.get('password'))).then(onIn, error => {
      setProblem(explain(error))
      setBusy(false)
    })
  }
  return (
    <main className='login'>
      <h1>Chat</h1>
      <form onSubmit={submit}>
        <label>Name <input name='name' autoComplete='username' required autoFocus /></label>
        <label>Password <input name='password' type='password' autoComplete='current-password' required /></label>
        <p role='alert'>{problem}</p>
        <button className='primary' disabled={busy}>{busy ? 'One moment…' : 'Log in'}</button>
      </form>
    </main>
  )
}

function explain (error: unknown): string {
  if (!(error instanceof Refused)) return 'The server cannot be reached.'
  return error.status === 401 ? 'Wrong name or password.' : `The server cannot do that now (${error.status}).`
}
