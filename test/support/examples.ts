/**
 * Runs a page as a reader would: its `sh` blocks one after the other in one shell, at the root of
 * the tree, beside a Sluice of their own if it says `npm start`. What a `text` block shows is what
 * the block before it prints.
 */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../../lab/ports.js'
import { buildIfStale } from '../../lab/build.js'
import { PROGRAM, makeHome, startSluice } from '../../lab/nginx/started.js'
import type { Home } from '../../lab/nginx/started.js'
import { temporaryFolder } from '../../lab/temp.js'
import { examplePrograms, repository, tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'

interface Block {
  commands: string
  /** What it is to print; undefined: anything. */
  prints: string | undefined
}

/** Begins a line that says that the next block begins. */
const MARK = '-- block '
const END = `${MARK}end\n`

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  for (const [, kind, body = ''] of text.matchAll(/^```(sh|text)\n(.*?)^```$/gms)) {
    const last = blocks.at(-1)
    if (kind === 'sh') {
      blocks.push({ commands: body, prints: undefined })
    } else if (last !== undefined) {
      last.prints = body
    }
  }
  return blocks
}

/**
 * A reader has a machine of his own; here the ports that he is written are others, and so is the
 * home. `own`: those that the page's programs have.
 */
async function translate(text: string, home: Home): Promise<{ text: string; own: number[] }> {
  let translated = text.replaceAll('.sluice/', `${home.folder}/`)
  const ports = new Map([
    ['8080', home.httpPort],
    ['8081', home.apiPort],
    ['8443', home.httpsPort],
    ['9100', home.streamPort],
  ])
  const own: number[] = []
  for (const port of new Set(text.match(/\b90\d\d\b/g))) {
    const free = await freePort()
    ports.set(port, free)
    own.push(free)
  }
  for (const [written, port] of ports) {
    translated = translated.replaceAll(new RegExp(`\\b${written}\\b`, 'g'), String(port))
  }
  return { text: translated, own }
}

/**
 * What a shell prints up to {@link END}; what it has started in the background ends with the test,
 * and may hold its pipes till then.
 */
async function runShell(t: Test, script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const shell = spawn('bash', ['-eu', '-c', script], {
    cwd: repository,
    env,
    detached: true,
  })
  t.teardown(() => {
    try {
      process.kill(-(shell.pid ?? 0), 'SIGKILL')
    } catch {
      // Nothing of it runs any more.
    }
  })
  let output = ''
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  }
  const isOver = () => output.includes(END) || (shell.exitCode ?? 0) !== 0
  await until(isOver, { deadlineMs: 120_000, what: 'the end of the example' }).catch(
    () => undefined,
  )
  if (!output.includes(END)) {
    throw new Error(`exit code ${shell.exitCode}:\n${output}`)
  }
  return output
}

/**
 * Where the reader's programs are, and how they find what belongs to them in a tree that is not
 * installed.
 */
async function readersEnvironment(t: Test): Promise<NodeJS.ProcessEnv> {
  const [{ nginx }, examples] = await Promise.all([tools(), examplePrograms()])
  const bin = temporaryFolder(t, 'bin')
  const scripts = {
    sluice: `exec "${process.execPath}" "${PROGRAM}" "$@"`,
    certbot: `PYTHONHOME="${examples}/usr" exec python3.13 "${examples}/usr/bin/certbot" "$@"`,
  }
  for (const [name, command] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${command}\n`, { mode: 0o755 })
  }
  const folders = [bin, join(examples, 'bin'), dirname(nginx.path), process.env.PATH]
  return { PATH: folders.join(':'), OPENSSL_CONF: join(examples, 'etc/ssl/openssl.cnf') }
}

/** As the text says, if it says so: `SLUICE_A=b npm start`. False: it does not. */
async function startAsTold(t: Test, home: Home, text: string): Promise<boolean> {
  const [written, settings = ''] = /`((?:SLUICE_\w+=\S+ )*)npm start`/.exec(text) ?? []
  if (written === undefined) {
    return false
  }
  const more = [...settings.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value]) => [name, value])
  await startSluice(t, {
    ...home,
    environment: { ...home.environment, ...Object.fromEntries(more) },
  })
  return true
}

interface Ran {
  /** That of the page's own Sluice, which runs till the test's end. */
  socket: string | undefined
  /** The ports of the page's programs, which may still run. */
  own: number[]
}

/** `page`: its path below the root of the tree. */
export async function runPage(t: Test, page: string): Promise<Ran> {
  await buildIfStale()
  const home = await makeHome(t)
  const { text, own } = await translate(readFileSync(join(repository, page), 'utf8'), home)
  const isStarted = await startAsTold(t, home, text)
  const blocks = blocksOf(text)
  t.ok(blocks.some(({ prints }) => prints !== undefined))
  const marked = blocks.map(({ commands }, i) => `echo; echo '${MARK}${i}'\n${commands}`)
  const script = `${marked.join('')}echo; echo '${END.trim()}'\n`
  const environment = { ...home.environment, ...(await readersEnvironment(t)) }
  const output = await runShell(t, script, environment)
  t.comment(output)
  blocks.forEach(({ commands, prints }, i) => {
    const after = output.split(`${MARK}${i}\n`)[1] ?? ''
    const own = after.split(`\n${MARK}`)[0] ?? ''
    if (prints !== undefined) {
      t.equal(own.trimEnd(), prints.trimEnd(), commands)
    }
  })
  return { socket: isStarted ? join(home.folder, 'api.sock') : undefined, own }
}
