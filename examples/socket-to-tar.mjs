// Any date of a backup, straight through a socket into another tar tool; nothing lies on a disk in between.
//   node socket-to-tar.mjs KEY STORE PORT        serves the newest backup to whoever connects
//   nc HOST PORT | bsdtar -xf - -C restored
import { createServer } from 'node:net'
import { restoreTar } from 'incremental-backups-tools'

const [key, store, port] = process.argv.slice(2)

const server = createServer({ allowHalfOpen: true }, async socket => {
  try {
    const { entries, sizeBytes } = await restoreTar(key, socket, { store })
    console.error(`${entries} entries, ${sizeBytes} bytes sent`)
  } catch (error) {
    // The tar has no end: tar says so, and fails.
    console.error(error.message)
    socket.destroy()
  }
})
server.listen(Number(port), '127.0.0.1', () => console.log(server.address().port))
