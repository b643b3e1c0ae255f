import { BreakIn } from '../break-in/BreakIn.js'
import { ChartPanel } from '../chart/ChartPanel.js'
import { Doors } from '../connection/Doors.js'
import { MainConnection } from '../connection/MainConnection.js'
import { LogPanel } from '../log/LogPanel.js'
import { External } from '../panels/External.js'
import { Here } from '../panels/Here.js'
import { Sessions } from '../panels/Sessions.js'
import { Talk } from '../panels/Talk.js'
import { Upstream } from '../panels/Upstream.js'
import { Header } from './Header.js'

/** The page. */
export function App () {
  return (
    <div className='page'>
      <Header />
      <main>
        <MainConnection>
          <Doors />
          <Talk />
          <LogPanel />
          <Here />
          <Sessions />
        </MainConnection>
        <ChartPanel />
        <BreakIn />
        <External />
        <Upstream />
      </main>
    </div>
  )
}
