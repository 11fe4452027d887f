/** Which room may import which, and a reader of imports. */
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix } from 'node:path'
import ts from 'typescript'

/** Which folders of ours a folder may import from, besides itself. */
const FOLDERS: Record<string, readonly string[]> = {
  contract: [],
  runtime: ['contract'],
  registry: ['contract', 'runtime'],
  agent: ['contract', 'runtime', 'registry'],
  controller: ['contract', 'runtime', 'registry'],
  njs: ['contract'],
  setup: ['contract', 'runtime'],
  nginx: ['contract'],
  cli: ['contract', 'runtime', 'setup', 'nginx'],
}

/**
 * The floors of a folder with rooms, the lowest first. A room is a folder, or a file that stands
 * beside them; a file may import from its own room and from lower floors.
 */
const FLOORS: Record<string, readonly (readonly string[])[]> = {
  contract: [
    ['codes.ts', 'servers.ts', 'temp-paths.ts', 'version.ts', 'guard'],
    ['record', 'keys.ts'],
    ['table'],
    ['push.ts'],
    ['push-guard.ts'],
  ],
  runtime: [
    ['errors.ts', 'printable.ts', 'socket-path.ts'],
    ['service-output.ts'],
    ['doorbell.ts', 'duration.ts', 'logger.ts', 'process-stat.ts', 'retry.ts'],
    ['lock.ts', 'loop.ts', 'private-nginx.ts', 'trusted-ca.ts', 'whole-file.ts'],
    ['config', 'sealed-file.ts'],
  ],
  registry: [
    ['registry.ts'],
    ['operations.ts', 'remote-lease.ts', 'watch-handlers.ts'],
    ['embedded', 'etcd', 'http'],
    ['open.ts'],
  ],
  agent: [
    ['engine'],
    ['labels'],
    ['plan'],
    ['register', 'identity.ts'],
    ['sources'],
    ['agent.ts', 'print.ts'],
    ['main.ts'],
  ],
  controller: [
    ['findings/codes.ts'],
    ['views.ts', 'own-addresses.ts', 'pool'],
    ['state'],
    ['controller-for-api.ts', 'table', 'health/checks', 'certificates', 'resolve', 'service-dns'],
    ['health', 'fallback', 'desired-sources.ts'],
    ['push', 'lanes'],
    ['gateways', 'findings'],
    ['serving.ts', 'controller-events.ts'],
    ['metrics', 'registry-follower.ts'],
    ['controller-facts.ts'],
    ['controller-parts.ts'],
    ['controller.ts'],
    ['api'],
    ['main.ts'],
  ],
  njs: [
    ['stream-types.d.ts', 'memory'],
    ['admin', 'table'],
    ['choose/policy'],
    ['choose'],
    ['hop', 'stream'],
    ['front'],
    ['entry'],
  ],
}

/** Where a room may see less than all the floors below it. */
const SEES: Record<string, RegExp> = {
  'njs/admin': /^njs\/(admin|memory)\//,
  'controller/api':
    /^controller\/(api|state|table)\/|^controller\/(controller-for-api|own-addresses|views|findings\/codes)\.ts$/,
}

/** The command line starts the parts, so these files also know where each of them begins. */
const STARTERS = /^cli\/(main\.ts$|commands\/)/
const ENTRY_POINTS = new Set(['agent/main.ts', 'controller/main.ts'])

/** Where a third-party package may be named. What is not listed may be imported nowhere. */
const PACKAGES: Record<string, RegExp> = {
  '@peculiar/x509': /^cli\/start\/own-certificate\.ts$/,
  'reflect-metadata': /^cli\/start\/own-certificate\.ts$/,
  'eventsource-parser': /^registry\/http\//,
  split2: /^agent\/engine\//,
  etcd3: /^registry\/etcd\//,
  dockerode: /^agent\/engine\/docker\.ts$/,
  fastify: /^controller\/api\//,
  '@fastify/*': /^controller\/api\//,
  typebox: /^(controller\/api\/|runtime\/config\/)/,
  'classic-level': /^registry\/embedded\//,
  'dns-packet': /^controller\/(pool\/dns-responder|resolve\/ask-server|service-dns\/[\w-]+)\.ts$/,
  pino: /^runtime\/(logger|service-output)\.ts$/,
  'prom-client': /^controller\/metrics\//,
  undici: /^(controller|cli|registry|agent)\//,
  yaml: /^(runtime\/config|agent\/sources\/files|agent\/labels|cli\/import)\//,
}

/** Outside Node, only what the engines bring along; the contract does no I/O at all. */
const BUILT_IN: Record<string, readonly string[]> = { contract: [], njs: ['crypto', 'fs'] }

export const GOVERNED = Object.keys(FOLDERS)

/** Every source file in folders of a working tree, by its path from the root. */
export function sources(root: string, folders = GOVERNED): Map<string, string> {
  const files = new Map<string, string>()
  for (const folder of folders) {
    for (const name of typescriptIn(join(root, folder))) {
      const path = `${folder}/${name}`
      files.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  return files
}

/** What a file imports against the table, one line for each offence. */
export function offences(path: string, text: string): string[] {
  return importsOf(path, text).flatMap((name) => {
    const reason = name.startsWith('.') ? refuseOurs(path, name) : refuseTheirs(path, name)
    return reason ? [`${path} imports ${name}: ${reason}`] : []
  })
}

function refuseOurs(path: string, name: string): string | undefined {
  const target = targetOf(path, name)
  const from = folderOf(path)
  const to = folderOf(target)
  if (from === to) {
    return refuseRoom(path, target)
  }
  if (FOLDERS[from]?.includes(to)) {
    return undefined
  }
  if (STARTERS.test(path) && ENTRY_POINTS.has(target)) {
    return undefined
  }
  return `${from} may not know ${to}`
}

function refuseRoom(path: string, target: string): string | undefined {
  const floors = FLOORS[folderOf(path)]
  if (!floors) {
    return undefined
  }
  const [from, to] = [roomOf(path, floors), roomOf(target, floors)]
  if (from.room === '' || to.room === '') {
    return `no floor has ${from.room === '' ? path : target}`
  }
  const sees = SEES[`${folderOf(path)}/${from.room}`]
  if (sees && !sees.test(target)) {
    return `${from.room} sees ${sees.source} alone`
  }
  if (from.room === to.room || to.floor < from.floor) {
    return undefined
  }
  return `${to.room} is not below ${from.room}`
}

/** The innermost room that a file is in: `health/checks` before `health`. */
function roomOf(
  path: string,
  floors: readonly (readonly string[])[],
): { room: string; floor: number } {
  const inside = path.slice(folderOf(path).length + 1)
  let found = { room: '', floor: -1 }
  floors.forEach((rooms, floor) => {
    for (const room of rooms) {
      const isIn = inside === room || inside.startsWith(`${room}/`)
      if (isIn && room.length > found.room.length) {
        found = { room, floor }
      }
    }
  })
  return found
}

/** Files that import one another in a circle, each circle once, as `a.ts b.ts`. */
export function circles(files: ReadonlyMap<string, string>): string[] {
  const targets = new Map<string, string[]>()
  for (const [path, text] of files) {
    const ours = importsOf(path, text).filter((name) => name.startsWith('.'))
    targets.set(
      path,
      ours.map((name) => targetOf(path, name)),
    )
  }
  return componentsOf(targets)
    .filter((files) => files.length > 1)
    .map((files) => files.sort().join(' '))
}

/** Tarjan's strongly connected components. */
function componentsOf(targets: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (file: string): number => {
    const index = order.size
    order.set(file, index)
    lowest.set(file, index)
    stack.push(file)
    for (const next of targets.get(file) ?? []) {
      if (!targets.has(next)) {
        continue
      }
      const reached = order.has(next)
        ? stack.includes(next)
          ? order.get(next)
          : undefined
        : visit(next)
      if (reached !== undefined) {
        lowest.set(file, Math.min(lowest.get(file) ?? index, reached))
      }
    }
    if (lowest.get(file) === index) {
      found.push(stack.splice(stack.indexOf(file)))
    }
    return lowest.get(file) ?? index
  }
  for (const file of targets.keys()) {
    if (!order.has(file)) {
      visit(file)
    }
  }
  return found
}

function targetOf(path: string, name: string): string {
  return posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')
}

function refuseTheirs(path: string, name: string): string | undefined {
  if (isBuiltin(name)) {
    const allowed = BUILT_IN[folderOf(path)]?.includes(name) ?? true
    return allowed ? undefined : 'this folder is not for Node alone'
  }
  const [scope = '', rest = ''] = name.split('/')
  const allowed = PACKAGES[name] ?? PACKAGES[scope] ?? (rest ? PACKAGES[`${scope}/*`] : undefined)
  if (!allowed) {
    return 'a package that the import table does not name'
  }
  return allowed.test(path) ? undefined : `this package belongs in ${allowed.source}`
}

function folderOf(path: string): string {
  return path.split('/')[0] ?? path
}

function importsOf(path: string, text: string): string[] {
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node)
    if (specifier && ts.isStringLiteralLike(specifier)) {
      names.push(specifier.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false))
  return names
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return node.moduleSpecifier
  }
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  }
  if (ts.isExternalModuleReference(node)) {
    return node.expression
  }
  if (!ts.isCallExpression(node)) {
    return undefined
  }
  const callee = node.expression
  const loads =
    callee.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(callee) && callee.text === 'require')
  return loads ? node.arguments[0] : undefined
}

function typescriptIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return []
    }
    throw error
  }
}
