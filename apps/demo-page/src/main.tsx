import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app/App.js'
import { session } from './session/session.js'
import './styles/tokens.css'
import './styles/base.css'
import './styles/layout.css'
import './styles/doors.css'
import './styles/panels.css'
import './styles/break-in.css'
import 'uplot/dist/uPlot.min.css'

if (session.state.get().status === 'restoring') session.restore()

createRoot(document.getElementById('root') as HTMLElement).render(<StrictMode><App /></StrictMode>)
