import { existsSync } from 'node:fs'
import { createRequire as requireFrom } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { BackupError } from '../errors.js'

const FILE = 'librsync-native.node'
const NAME = 'incremental-backups-tools'

/** This file, or the bundle that it became part of: a CommonJS bundle has no `import.meta.url`. */
const here = import.meta.url ?? pathToFileURL(__filename).href
// Not called `require`, nor its maker `createRequire`: bundles for ES modules often begin with lines that declare these.
const load = requireFrom(here)

/** The package, seen from dist/src/native/. */
/** Of this package: a bundle of ours lies as deep as this file. */
export const packageRoot = new URL('../../../', here)

interface Manifest {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** A place where the addon may be, and why it was not loaded from there. */
interface Attempt {
  readonly place: string
  readonly error: NodeJS.ErrnoException
}

/**
 * Loads the addon from the first place that has one: `IBT_ADDON`, which excludes the others; the directory of this file,
 * for bundles; `build/Release`, where a clone and `ibt build-addon` put it; the package of this platform.
 *
 * @throws BackupError IBT_NATIVE that says how to get an addon for this machine.
 */
export function loadAddon(): unknown {
  const attempts: Attempt[] = []
  for (const place of places()) {
    try {
      return load(place)
    } catch (error) {
      attempts.push({ place, error: error as NodeJS.ErrnoException })
    }
  }
  // A binary that is there and does not load says more than a package that is not installed.
  const loud = attempts.find(({ error }) => error.code !== 'MODULE_NOT_FOUND') ?? attempts.at(-1)
  throw new BackupError('IBT_NATIVE', describe(loud), { cause: loud?.error })
}

function places(): string[] {
  const named = process.env.IBT_ADDON
  if (named) return [named]
  const files = [new URL(FILE, here), new URL(`build/Release/${FILE}`, packageRoot)]
  return [...files.map(file => fileURLToPath(file)).filter(path => existsSync(path)), ...platformPackages()]
}

/** The packages of this platform: the package manager installs the one for this C library. */
export function platformPackages(platform: string = process.platform, arch: string = process.arch): string[] {
  const libraries = platform === 'linux' ? ['-gnu', '-musl'] : ['']
  return libraries.map(library => `@${NAME}/${platform}-${arch}${library}`)
}

function describe(failed: Attempt | undefined): string {
  const platform = `${process.platform}-${process.arch}`
  const name = platformPackage()
  const { version, optionalDependencies } = manifest()
  const isThere = failed !== undefined && failed.error.code !== 'MODULE_NOT_FOUND'
  const start = `Cannot load the native addon for ${platform}`
  if (isThere) return `${start}: ${failed.place} does not load here (${failed.error.message}). ${COMPILE}`
  if (process.env.IBT_ADDON) return `${start}: IBT_ADDON names ${process.env.IBT_ADDON}, which is not there`
  // A clone has no platform packages.
  if (version !== undefined && optionalDependencies === undefined)
    return `${start}: it is not compiled. In a clone: npm run build. ${COMPILE}`
  if (optionalDependencies !== undefined && optionalDependencies[name] === undefined)
    return `${start}: there is no binary for this platform. ${COMPILE}`
  const wanted = version === undefined ? name : `${name}@${version}`
  return `${start}: the package ${name} is not installed. Install it with the package manager that you use:
  npm:     npm install ${wanted}    (with -g if ${NAME} is installed globally)
  pnpm:    pnpm add ${wanted}
  Yarn:    yarn add ${wanted}
  bundler: leave ${NAME} out of the bundle (esbuild --external:${NAME}),
           or copy ${FILE} from ${name} beside the bundle
${COMPILE}`
}

const COMPILE =
  'To compile the addon, run: npx ibt build-addon (pnpm exec ibt build-addon, yarn ibt build-addon; ' +
  'ibt build-addon for a global installation)'

function platformPackage(): string {
  const [first, second] = platformPackages()
  return second !== undefined && isMusl() ? second : first!
}

function isMusl(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined
  return report?.header !== undefined && report.header.glibcVersionRuntime === undefined
}

function manifest(): Manifest {
  try {
    const found = load(fileURLToPath(new URL('package.json', packageRoot))) as Manifest & { readonly name?: string }
    return found.name === NAME ? found : {}
  } catch {
    return {}
  }
}
