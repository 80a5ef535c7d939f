// A process of its own, as a real server is: `fauxqs` on a free port of this machine, until its stdin ends.
import { buildApp } from 'fauxqs'

const app = buildApp({ logger: false })
process.stdout.write(`${await app.listen({ port: 0, host: '127.0.0.1' })}\n`)
process.stdin.resume().on('end', () => process.exit())
