// Serves a directory as a store, and tells how much processor time that took.
import { createServer } from 'node:net'
import { directoryStore, serveStore } from '../../dist/src/stores/index.js'

const store = directoryStore(process.argv[2])
const server = createServer({ allowHalfOpen: true }, socket => serveStore(socket, store))
const begin = process.cpuUsage()
process.on('message', () => {
  const { user, system } = process.cpuUsage(begin)
  process.send((user + system) / 1000)
})
process.on('disconnect', () => process.exit())
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
