// Packs what is published: the package and one package for each platform, into packed/. `npm run pack`; publish them with
// `npm publish packed/FILE.tgz`, the platforms first. package.json of the clone cannot be published as it is: the
// platform packages are added here, since `npm ci` of a clone would look for a version that is not published yet.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ADDON_FILE, binaryOf, packageOf, platformManifest, published, readManifest, root } from './platforms.mjs'
import { prebuild } from './prebuild.mjs'

const PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'LICENSE']
/** Headers of Node-API, so that `ibt build-addon` needs neither node-gyp nor the network. */
const HEADERS = {
  'node-addon-api': ['napi.h', 'napi-inl.h', 'napi-inl.deprecated.h', 'LICENSE.md'],
  'node-api-headers': ['node_api.h', 'node_api_types.h', 'js_native_api.h', 'js_native_api_types.h']
}

/** What npm has to know of the published package; the rest is the clone's. */
function publishedManifest() {
  const { private: _, files, scripts, devDependencies, ...manifest } = readManifest()
  const optionalDependencies = Object.fromEntries(published.map(platform => [packageOf(platform), manifest.version]))
  return { ...manifest, optionalDependencies }
}

const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)

function stagePackage(stage) {
  mkdirSync(stage, { recursive: true })
  writeJson(join(stage, 'package.json'), publishedManifest())
  for (const name of [...PAGES, 'bin', 'docs', 'examples', 'man', 'schema'])
    cpSync(join(root, name), join(stage, name), { recursive: true })
  // What is in src/cli is in the bundle too, which is what runs.
  const isProgram = path => !/\.map$|\/dist\/src\/cli$/.test(path)
  cpSync(join(root, 'dist/src'), join(stage, 'dist/src'), { recursive: true, filter: isProgram })
  const isSource = path => !/\/native\/(test|fuzz)$/.test(path)
  cpSync(join(root, 'native'), join(stage, 'native'), { recursive: true, filter: isSource })
  stageHeaders(join(stage, 'native/include'))
  const files = readdirSync(stage, { recursive: true }).map(String)
  for (const name of files) {
    if (name.endsWith('.js')) edit(join(stage, name), text => text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'))
    if (name.endsWith('.md')) edit(join(stage, name), text => withoutDeadLinks(text, name, files))
  }
}

function stageHeaders(folder) {
  mkdirSync(folder)
  const require = createRequire(import.meta.url)
  for (const [name, files] of Object.entries(HEADERS)) {
    const from =
      name === 'node-api-headers' ? require(name).include_dir : dirname(require.resolve(`${name}/package.json`))
    for (const file of files) copyFileSync(join(from, file), join(folder, file))
  }
}

function edit(path, change) {
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}

/** The text with links to what is not packed as plain words. */
function withoutDeadLinks(text, page, files) {
  return text.replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (link, words, target) => {
    if (/^[a-z]+:|^#/.test(target)) return link
    const path = posix.join(posix.dirname(page), target.split('#')[0]).replace(/\/$/, '')
    return files.includes(path) ? link : words
  })
}

function stagePlatform(stage, platform) {
  if (!existsSync(binaryOf(platform)))
    throw new Error(`No ${binaryOf(platform)}: node scripts/prebuild.mjs ${platform}`)
  mkdirSync(stage, { recursive: true })
  const manifest = platformManifest(platform)
  writeJson(join(stage, 'package.json'), manifest)
  writeFileSync(
    join(stage, 'README.md'),
    `# ${manifest.name}\n\n${manifest.description}. It installs with that package.\n`
  )
  copyFileSync(join(root, 'LICENSE'), join(stage, 'LICENSE'))
  copyFileSync(binaryOf(platform), join(stage, ADDON_FILE))
}

/** Packs into `directory`, which is emptied. Returns the tarballs: `main`, and one for each platform. */
export function pack(directory, platforms = published) {
  rmSync(directory, { recursive: true, force: true })
  const tarballs = {}
  const stages = [['main', stagePackage], ...platforms.map(name => [name, stage => stagePlatform(stage, name)])]
  for (const [name, fill] of stages) {
    const stage = join(directory, 'stage', name)
    fill(stage)
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', directory]
    const [packed] = Object.values(JSON.parse(execFileSync('npm', args, { cwd: stage, encoding: 'utf8' })))
    tarballs[name] = { ...packed, path: join(directory, packed.filename.replace('@', '').replace('/', '-')) }
  }
  return tarballs
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    for (const platform of published) prebuild(platform)
    for (const { path, entryCount, size } of Object.values(pack(join(root, 'packed'))))
      console.log(`${path}: ${entryCount} files, ${size} bytes`)
  } catch (error) {
    console.error(`pack: ${error.message}`)
    process.exitCode = 1
  }
}
