// What a full costs into S3: beside a directory, beside the SDK alone, and beside plain requests, which show the server.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median } from '../timed.mjs'

const MIB = 1024 * 1024
const PART_BYTES = 8 * MIB
const PARALLEL = 3
const BUCKET = 'bench'

const CASES = {
  async directory(source, work) {
    const { fullBackup } = await import('../../dist/src/index.js')
    await fullBackup(source, { store: join(work, 'store'), cache: false })
    rmSync(join(work, 'store'), { recursive: true })
  },
  async s3(source, _work, endpoint) {
    const { fullBackup } = await import('../../dist/src/index.js')
    const { s3Store } = await import('../../dist/src/stores/s3/index.js')
    await fullBackup(source, { store: s3Store({ bucket: BUCKET, endpoint, conditionalCreate: false }), cache: false })
  },
  async sdk(_source, _work, endpoint, sizeMiB) {
    const { S3Client, ...sdk } = await import('@aws-sdk/client-s3')
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })
    const at = { Bucket: BUCKET, Key: 'sdk' }
    const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(at))
    const Parts = await inParts(sizeMiB, async (PartNumber, Body) => {
      const { ETag } = await client.send(new sdk.UploadPartCommand({ ...at, UploadId, PartNumber, Body }))
      return { ETag, PartNumber }
    })
    await client.send(new sdk.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }))
  },
  async plain(_source, _work, endpoint, sizeMiB) {
    const url = `${endpoint}/${BUCKET}/plain`
    const id = /<UploadId>(.*?)</.exec(await (await fetch(`${url}?uploads`, { method: 'POST' })).text())[1]
    const parts = await inParts(sizeMiB, async (number, body) => {
      const { headers } = await fetch(`${url}?uploadId=${id}&partNumber=${number}`, { method: 'PUT', body })
      return `<Part><PartNumber>${number}</PartNumber><ETag>${headers.get('etag')}</ETag></Part>`
    })
    await (await fetch(`${url}?uploadId=${id}`, { method: 'POST', body: `<x>${parts.join('')}</x>` })).text()
  }
}

/** Sends parts of random bytes, some at a time, and gives what each was answered. */
async function inParts(sizeMiB, send) {
  const body = randomBytes(PART_BYTES)
  const answers = []
  let next = 0
  const worker = async () => {
    while (next < (sizeMiB * MIB) / PART_BYTES) {
      const at = next++
      answers[at] = await send(at + 1, body)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return answers
}

async function one(name, source, work, endpoint, sizeMiB) {
  const start = performance.now()
  await CASES[name](source, work, endpoint, Number(sizeMiB))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage()
  console.log(JSON.stringify({ seconds, cpu: (user + system) / 1e6, rssMiB: process.resourceUsage().maxRSS / 1024 }))
}

/** Each run has a server of its own, which has everything in memory. */
async function measure(name, source, work, sizeMiB) {
  const script = fileURLToPath(new URL('../../dist/test/helpers/s3/server-process.js', import.meta.url))
  const server = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const endpoint = (await once(server.stdout, 'data'))[0].toString().trim()
  await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' })
  const env = { ...process.env, AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' }
  const args = [fileURLToPath(import.meta.url), '--one', name, source, work, endpoint, String(sizeMiB)]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  server.stdin.end()
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

if (process.argv[2] === '--one') await one(...process.argv.slice(3))
else {
  const { values } = parseArgs({
    options: { mib: { type: 'string', default: '512' }, runs: { type: 'string', default: '3' } }
  })
  const sizeMiB = Number(values.mib)
  const work = mkdtempSync(join(tmpdir(), 'ibt-s3-'))
  try {
    const source = join(work, 'source')
    mkdirSync(source)
    for (let i = 0; i < sizeMiB / 64; i++) writeFileSync(join(source, `file-${i}`), randomBytes(64 * MIB))
    const results = new Map(Object.keys(CASES).map(name => [name, []]))
    const load = loadavg()[0]
    for (let run = 0; run < Number(values.runs); run++) {
      for (const [name, all] of results) all.push(await measure(name, source, work, sizeMiB))
    }
    console.log(`${sizeMiB} MiB in files of 64 MiB, Node ${process.version}, load ${load.toFixed(1)}`)
    console.log('| case | MiB/s (min–max) | processor, s | peak memory, MiB |\n|---|---|---|---|')
    for (const [name, all] of results) {
      const rates = all.map(({ seconds }) => sizeMiB / seconds)
      const of = key => median(all.map(result => result[key]))
      const spread = `${median(rates).toFixed(0)} (${Math.min(...rates).toFixed(0)}–${Math.max(...rates).toFixed(0)})`
      console.log(`| ${name} | ${spread} | ${of('cpu').toFixed(1)} | ${of('rssMiB').toFixed(0)} |`)
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
