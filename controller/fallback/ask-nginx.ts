/** What nginx says of itself, and of a configuration that is not in force. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONNECTION_ZONE } from '../../contract/table/zones.js'
import { tempPathLines } from '../../contract/temp-paths.js'
import { messageOf, SluiceError, systemCode } from '../../runtime/errors.js'

/** Folders in `run/`, which is closed to others; short, for sockets in them have short paths. */
const TEST_FOLDER = 't-'

const TIMEOUT_MS = 20_000

/**
 * `front`: all that a configuration of ours may rest on. `-t` opens each address of a `listen`,
 * so the candidate must name a socket in the folder it is given, and pid, log and temporary files
 * are there too.
 */
function stub(folder: string, isHop: boolean): string {
  const hop = isHop
    ? `    limit_conn_zone $remote_addr zone=${CONNECTION_ZONE}:64k;
    map $host $sluice_wanted { default ''; }
    map $host $sluice_unit { default ''; }
    map $http_host $sluice_host { default $http_host; '' $host; }
    map $request_uri $sluice_path_leaves { default ''; }
    map $http_upgrade $sluice_upgrade { default ''; websocket websocket; }
    map $http_upgrade $sluice_connection { default ''; websocket upgrade; }
    map $http_upgrade $sluice_hop_upgrade { default ''; websocket websocket; }
    map $http_upgrade $sluice_hop_connection { default ''; websocket upgrade; }
`
    : ''
  return `pid "${folder}/nginx.pid";
error_log stderr warn;
events {}
http {
    access_log off;
    ${tempPathLines(folder).join('\n    ')}
${hop}    include "${folder}/candidate.conf";
}
`
}

function run(nginx: string, folder: string): Promise<void> {
  const words = ['-t', '-q', '-p', folder, '-c', join(folder, 'nginx.conf')]
  return new Promise((resolve, reject) => {
    execFile(nginx, words, { timeout: TIMEOUT_MS }, (error, _, stderr) => {
      if (error === null) {
        resolve()
        return
      }
      const said = stderr.trim().split('\n').slice(0, 5).join(' | ') || messageOf(error)
      reject(new SluiceError('invalid', `nginx refuses the file: ${said}`))
    })
  })
}

/**
 * Whether it can take a client's address from a header. Where it does not answer, it is believed to
 * take none.
 */
export function canTakeAddress(nginx: string): boolean {
  const { stderr } = spawnSync(nginx, ['-V'], { encoding: 'utf8', timeout: TIMEOUT_MS })
  return (stderr ?? '').includes('--with-http_realip_module')
}

/**
 * Removes what a controller left that was killed while it tested: keys of certificates are in it.
 * Only for the controller that has the home.
 */
export async function sweepTests(home: string): Promise<void> {
  const parent = join(home, 'run')
  const names = await readdir(parent).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') {
      return []
    }
    throw error
  })
  const left = names.filter((name) => name.startsWith(TEST_FOLDER))
  await Promise.all(left.map((name) => rm(join(parent, name), { recursive: true, force: true })))
}

/**
 * Rejects with `invalid` and nginx's words when it would not take the file. `render` gets the
 * folder in which sockets may be made.
 */
export async function checkConf(
  { nginx, home, isHop }: { nginx: string; home: string; isHop: boolean },
  render: (folder: string) => Promise<string>,
): Promise<void> {
  const parent = join(home, 'run')
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(parent, TEST_FOLDER))
  try {
    await mkdir(join(folder, 'logs'))
    await writeFile(join(folder, 'candidate.conf'), await render(folder))
    await writeFile(join(folder, 'nginx.conf'), stub(folder, isHop))
    await run(nginx, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
