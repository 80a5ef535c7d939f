import { test } from 'node:test'
import { storeConformance } from '../../src/stores/conformance.js'
import { memoryStore } from '../../src/stores/memory.js'

storeConformance('memoryStore', memoryStore, { test })
