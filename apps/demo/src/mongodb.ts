import fastifyMongodb from '@fastify/mongodb'

/** Schemes of MongoDB's URLs. */
export const MONGODB_SCHEMES = ['mongodb', 'mongodb+srv']

/** Whether MongoDB's driver understands a URL. Does not connect. */
export function isMongodbUrl (url: string): boolean {
  try {
    return new fastifyMongodb.mongodb.MongoClient(url) !== null
  } catch {
    return false
  }
}
