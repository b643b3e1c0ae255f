declare module 'mqemitter-mongodb' {
  import type { MQEmitter } from 'mqemitter'

  export default function mqemitterMongodb (options: { url: string, mongo?: object }): MQEmitter
}
