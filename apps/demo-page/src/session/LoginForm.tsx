import { type FormEvent, useState } from 'react'
import { OutcomeLine } from '../ui/Panel.js'
import { useOutcome } from '../ui/hooks.js'
import { session } from './session.js'

const USERS = [
  { name: 'Alice', username: 'alice', password: 'wonderland', role: 'user' },
  { name: 'Bob', username: 'bob', password: 'builder', role: 'user' },
  { name: 'Admin', username: 'admin', password: 'admin', role: 'admin' }
] as const

/** Logs in one of the demo's users with one click, or any user by name and password. */
export function LoginForm ({ note }: { note: string | null }) {
  const [busy, setBusy] = useState(false)
  const [outcome, run] = useOutcome()
  // The buttons are not disabled meanwhile, since a disabled button loses the focus.
  const login = async (username: string, password: string) => {
    if (busy) return
    setBusy(true)
    await run(async () => {
      await session.login(username, password)
      return ''
    })
    setBusy(false)
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    login(String(form.get('username')), String(form.get('password')))
  }
  return (
    <div className='login'>
      <p className='note' role='status'>{note}</p>
      <div className='users' role='group' aria-label='Demo users'>
        {USERS.map(({ name, username, password, role }) => (
          <button key={username} type='button' className='user' aria-disabled={busy} onClick={() => login(username, password)}>
            <span className='avatar' aria-hidden='true'>{name[0]}</span>
            <span><span className='visually-hidden'>Log in as </span><b>{name}</b><br /><small>Role: {role}</small></span>
          </button>
        ))}
      </div>
      <form className='credentials' onSubmit={submit}>
        <label>User name <input name='username' autoComplete='username' required maxLength={64} /></label>
        <label>Password <input name='password' type='password' autoComplete='current-password' required maxLength={256} /></label>
        <button type='submit' className='primary' aria-disabled={busy}>Log in</button>
      </form>
      <OutcomeLine outcome={outcome} />
    </div>
  )
}
