import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeConformance } from '../../../src/stores/conformance.js'
import { S3Place } from '../../helpers/s3/place.js'

const place = await S3Place.open()
const MiB = 1024 * 1024

storeConformance('s3Store', () => place.store({ prefix: '/backups/host 1/' }), { test })
storeConformance(
  's3Store in parts, with object lock',
  () => place.store({ partBytes: 5 * MiB, objectLock: 'GOVERNANCE' }),
  { test }
)
storeConformance(
  's3Store straight to a server without conditional writes',
  () => place.store({ client: place.client(place.server.url), conditionalCreate: false }),
  { test }
)

test('every request of these tests was signed as S3 asks for, also of odd names', () => {
  assert.ok(place.proxy.calls.some(({ path }) => path.includes('%2F%41')))
  assert.equal(place.proxy.refused, 0)
})
