// Backups inside a web server: progress as server-sent events, and a client that goes away cancels its backup.
//   node web-server.mjs SOURCE STORE PORT
//   curl -N -X POST http://127.0.0.1:PORT/backup
import { createServer } from 'node:http'
import { autoBackup } from 'incremental-backups-tools'

const [source, store, port] = process.argv.slice(2)

async function backUp(response) {
  const gone = new AbortController()
  response.on('close', () => gone.abort(new Error('The client is gone')))
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const send = (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  send('started', { source })
  let toldAt = 0
  try {
    const { key, date, kind, storedBytes } = await autoBackup(source, {
      store,
      signal: gone.signal,
      onProgress({ entries, sizeBytes, total }) {
        if (Date.now() - toldAt < 200) return
        toldAt = Date.now()
        send('progress', { entries, sizeBytes, ofBytes: total?.sizeBytes })
      }
    })
    send('done', { key, date, kind, storedBytes })
  } catch (error) {
    // IBT_LOCKED if another client's backup runs: a key has one at a time.
    send('failed', { code: error.code, message: error.message })
    console.error(error.message)
  }
  response.end()
}

const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/backup') return backUp(response)
  response.writeHead(404).end()
})
server.listen(Number(port), '127.0.0.1', () => console.log(server.address().port))
