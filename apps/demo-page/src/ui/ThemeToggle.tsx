import { useEffect, useState } from 'react'
import { read, write } from './storage.js'

const THEMES = ['system', 'light', 'dark'] as const
type Theme = typeof THEMES[number]

/** Chooses the theme and stores the choice. theme.js applies it before the next page is painted. */
export function ThemeToggle () {
  const [theme, setTheme] = useState<Theme>(() => THEMES.find(name => name === read('local', 'airlock.theme')) ?? 'system')
  useEffect(() => {
    const { dataset } = document.documentElement
    write('local', 'airlock.theme', theme === 'system' ? null : theme)
    // Without transitions: colors that fade into another theme one after the other look broken.
    dataset.switching = ''
    if (theme === 'system') delete dataset.theme
    else dataset.theme = theme
    const timer = setTimeout(() => { delete dataset.switching }, 50)
    return () => clearTimeout(timer)
  }, [theme])
  return (
    <fieldset className='segments theme'>
      <legend className='visually-hidden'>Theme</legend>
      {THEMES.map(name => (
        <label key={name}>
          <input type='radio' name='theme' checked={theme === name} onChange={() => setTheme(name)} />
          <span>{name[0]?.toUpperCase()}{name.slice(1)}</span>
        </label>
      ))}
    </fieldset>
  )
}
