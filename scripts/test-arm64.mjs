// The engine's own tests as ARM64 programs: the compiler of another processor, and an emulator of that one.
// Without them it says so and passes, unless REQUIRE_ORACLES=1.
import { spawnSync } from 'node:child_process'

const compiler = 'aarch64-linux-gnu-g++'
const emulator = 'qemu-aarch64'
const missing = [compiler, emulator].filter(command => spawnSync(command, ['--version']).status !== 0)

if (missing.length > 0) {
  process.stdout.write(`Skipped: no ${missing.join(', no ')} (Debian: g++-aarch64-linux-gnu, qemu-user)\n`)
  process.exitCode = process.env.REQUIRE_ORACLES === '1' ? 1 : 0
} else {
  const env = {
    ...process.env,
    CXX: compiler,
    RUN_WITH: `${emulator} -L /usr/aarch64-linux-gnu`,
    // The emulator has no ptrace, which the search for leaks wants.
    ASAN_OPTIONS: 'detect_leaks=0'
  }
  process.exitCode = spawnSync(process.execPath, ['native/test/run.mjs', 'unit'], { env, stdio: 'inherit' }).status ?? 1
}
