#!/usr/bin/env node
// libuv's pool is sized at its first use: an ES module would come too late for that.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, require('node:os').availableParallelism() + 2))
import('../dist/src/cli/main.js').then(({ main }) => main(process.argv.slice(2)))
