// Push over TLS, both sides. The sender has no access to the store, and the receiver none to the source: each has a
// certificate, and knows that of the other.
//   node push-over-tls.mjs receive STORE PORT CERTIFICATES
//   node push-over-tls.mjs send SOURCE HOST:PORT CERTIFICATES
// CERTIFICATES: a directory with ca.pem, NAME.pem and NAME.key, where NAME is `sender` or `receiver`.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect, createServer } from 'node:tls'
import { importBackups, streamBackup } from 'incremental-backups-tools'

const [side, what, where, certificates] = process.argv.slice(2)
const read = name => readFileSync(join(certificates, name))
const credentials = name => ({ ca: read('ca.pem'), cert: read(`${name}.pem`), key: read(`${name}.key`) })

/** The state of a backup is stored last: a connection that is cut leaves no half of one. */
function receive() {
  const options = { ...credentials('receiver'), requestCert: true, rejectUnauthorized: true, allowHalfOpen: true }
  const server = createServer(options, async socket => {
    const answer = await importBackups(socket, { store: what }).catch(({ code, message }) => ({ code, message }))
    socket.end(JSON.stringify(answer))
  })
  server.listen(Number(where), '127.0.0.1', () => console.log(server.address().port))
}

async function send() {
  const [host, port] = where.split(':')
  const socket = connect({
    host,
    port: Number(port),
    servername: 'receiver',
    allowHalfOpen: true,
    ...credentials('sender')
  })
  await once(socket, 'secureConnect')
  const answer = text(socket)
  const { kind, date, storedBytes } = await streamBackup(what, socket, { sent: join(certificates, 'sent') })
  const { code, message, dates } = JSON.parse(await answer)
  // An incremental that the receiver cannot place (its store was emptied) is refused: a full is the way out.
  if (code !== undefined) throw new Error(`The receiver has refused it: ${code}: ${message}`)
  console.log(JSON.stringify({ kind, date, storedBytes, dates }))
}

await (side === 'receive' ? receive() : send())
