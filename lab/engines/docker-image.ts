/** The image of tests: Node.js and a small server, packed from what this machine has. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { withLock } from '../../runtime/lock.js'
import { dockerTools, repository, toolsFolder } from '../tools.js'

const run = promisify(execFile)
const ARCHIVE = join(toolsFolder, `image-node-${process.versions.node}.tar`)
const SHELL_COMMANDS = ['sh', 'cat', 'env', 'hostname', 'ls', 'nc', 'sleep', 'touch', 'rm', 'wget']

/**
 * Makes an image without a registry: this machine's node with its libraries, busybox, and a small
 * HTTP server on port 80 (lab/engines/image/server.mjs) as its command.
 */
export async function importImage(socket: string, name: string): Promise<void> {
  const { docker, dockerRoot } = await dockerTools()
  const onWait = (): void => undefined
  await withLock(`${ARCHIVE}.lock`, onWait, () => makeArchive(join(dockerRoot, 'usr/bin/busybox')))
  const changes = ['ENV PATH=/usr/bin:/bin', 'EXPOSE 80', 'CMD ["node","/server.mjs"]']
  const flags = changes.flatMap((change) => ['--change', change])
  await run(docker, ['-H', `unix://${socket}`, 'import', ...flags, ARCHIVE, name])
}

async function makeArchive(busybox: string): Promise<void> {
  if (existsSync(ARCHIVE)) {
    return
  }
  const staging = `${ARCHIVE}.partial`
  rmSync(staging, { recursive: true, force: true })
  for (const folder of ['bin', 'tmp', 'usr/bin']) {
    mkdirSync(join(staging, folder), { recursive: true })
  }
  copy(busybox, join(staging, 'bin/busybox'))
  for (const command of SHELL_COMMANDS) {
    symlinkSync('busybox', join(staging, 'bin', command))
  }
  copy(process.execPath, join(staging, 'usr/bin/node'))
  for (const library of await librariesOf(process.execPath)) {
    copy(library, join(staging, library))
  }
  copy(join(repository, 'lab/engines/image/server.mjs'), join(staging, 'server.mjs'))
  await run('tar', ['-C', staging, '-cf', `${ARCHIVE}.new`, '.'])
  renameSync(`${ARCHIVE}.new`, ARCHIVE)
  rmSync(staging, { recursive: true })
}

/** ldd names the loader, too. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program])
  return [...stdout.matchAll(/(?:=>|^)\s*(\/\S+) \(/gm)].map(([, path = '']) => path)
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, { dereference: true })
}
