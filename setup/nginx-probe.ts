/** The version and the engines of an nginx's njs, found out by running a script in it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadableModules, type NginxBuild } from './nginx-build.js'
import { nginxEnvironment } from './nginx-environment.js'

export type NjsEngine = 'njs' | 'qjs'

/** Either what njs says of itself, or what nginx said when it would not start. */
export type ProbeResult = { version: string; engine: NjsEngine } | { refusal: string }

const DEADLINE_MS = 10_000
const POLL_MS = 10

const ABOUT = `export default { about: function (r) {
  r.return(200, JSON.stringify({ version: njs.version, engine: njs.engine }));
} };
`

/** njs gives its version and engine only to a script that runs, so nginx is run for a request. */
export async function probeEngine(
  path: string,
  build: NginxBuild,
  engine: NjsEngine,
): Promise<ProbeResult> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'))
  writeFileSync(join(folder, 'about.js'), ABOUT)
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, build, engine))
  const nginx = spawn(path, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    env: nginxEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  nginx.stderr.setEncoding('utf8').on('data', (chunk: string) => (words += chunk))
  const gone = Promise.race([once(nginx, 'close'), once(nginx, 'error')])
  try {
    const answer = await firstAnswer(join(folder, 'about.sock'), nginx)
    return answer ? parse(answer) : { refusal: refusalIn(words) }
  } finally {
    nginx.kill('SIGKILL')
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
}

function configuration(folder: string, build: NginxBuild, engine: NjsEngine): string {
  const modules = loadableModules(build.modulesPath).filter((file) => /http_js/.test(file))
  const temporary = [...build.tempPaths.keys()].map((name) => name.replace(/^http-/, ''))
  // Started by root, nginx would insist on the user that was compiled in.
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
${modules.map((file) => `load_module "${file}";`).join('\n')}
daemon off;
master_process off;
pid "${folder}/pid";
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name.replace(/-/g, '_')}_temp_path "${folder}/${name}";`).join(' ')}
  js_engine ${engine};
  js_path "${folder}";
  js_import about from about.js;
  server { listen "unix:${folder}/about.sock"; location / { js_content about.about; } }
}
`
}

async function firstAnswer(socket: string, nginx: ChildProcess): Promise<string | undefined> {
  const deadlineMs = Date.now() + DEADLINE_MS
  while (nginx.exitCode === null && nginx.signalCode === null && Date.now() < deadlineMs) {
    const answer = await get(socket).catch(() => undefined)
    if (answer !== undefined) {
      return answer
    }
    await sleep(POLL_MS)
  }
  return undefined
}

function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: '/', agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve(body))
    })
    call.on('error', reject).end()
  })
}

function parse(answer: string): ProbeResult {
  try {
    const { version, engine } = JSON.parse(answer) as { version: string; engine?: string }
    return { version, engine: engine === 'QuickJS' ? 'qjs' : 'njs' }
  } catch {
    return { refusal: `its njs did not run a script: ${answer.slice(0, 200)}` }
  }
}

function refusalIn(words: string): string {
  const line = words.split('\n').find((each) => each.includes('[emerg]')) ?? words.trim()
  return line.replace(/^.*\[emerg\] (\d+#\d+: )?/, '').slice(0, 500)
}
