import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Kiosk } from './kiosk/Kiosk.js'
import { session } from './session/session.js'
import './styles/tokens.css'
import './styles/base.css'
import './styles/kiosk.css'

if (session.state.get().status === 'restoring') session.restore()

createRoot(document.getElementById('root') as HTMLElement).render(<StrictMode><Kiosk /></StrictMode>)
