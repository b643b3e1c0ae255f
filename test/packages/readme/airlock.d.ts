// The augmentations of the plugins that the blocks of one README take for granted, each of which is a file of its own.
import 'fastify-airlock'
