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

/** The command line starts the parts, so these files also know where each of them begins. */
const STARTERS = /^cli\/(main\.ts$|commands\/)/
const ENTRY_POINTS = new Set(['agent/main.ts', 'controller/main.ts'])

/** Where a third-party package may be named. What is not listed may be imported nowhere. */
const PACKAGES: Record<string, RegExp> = {
  '@peculiar/x509': /^cli\/start\/own-certificate\.ts$/,
  'reflect-metadata': /^cli\/start\/own-certificate\.ts$/,
  etcd3: /^registry\/etcd[^/]*\.ts$/,
  dockerode: /^agent\/docker\.ts$/,
  fastify: /^controller\/api\//,
  '@fastify/*': /^controller\/api\//,
  typebox: /^(controller\/api\/|runtime\/config\.ts$)/,
  'classic-level': /^registry\/embedded[^/]*\.ts$/,
  'dns-packet': /^controller\/pool-dns\.ts$/,
  pino: /^runtime\/logger\.ts$/,
  'prom-client': /^controller\/metrics\.ts$/,
  undici: /^(controller|cli|registry|agent)\//,
  yaml: /^runtime\/config[^/]*\.ts$/,
}

/** Outside Node, only what the engines bring along; the contract does no I/O at all. */
const BUILT_IN: Record<string, readonly string[]> = { contract: [], njs: ['crypto', 'fs'] }

export const GOVERNED = Object.keys(FOLDERS)

/** Every governed source file of a working tree, by its path from the root. */
export function sources(root: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const folder of GOVERNED) {
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
  const target = posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')
  const from = folderOf(path)
  const to = folderOf(target)
  if (from === to || FOLDERS[from]?.includes(to)) return undefined
  if (STARTERS.test(path) && ENTRY_POINTS.has(target)) return undefined
  return `${from} may not know ${to}`
}

function refuseTheirs(path: string, name: string): string | undefined {
  if (isBuiltin(name)) {
    const allowed = BUILT_IN[folderOf(path)]?.includes(name) ?? true
    return allowed ? undefined : 'this folder is not for Node alone'
  }
  const [scope = '', rest = ''] = name.split('/')
  const allowed = PACKAGES[name] ?? PACKAGES[scope] ?? (rest ? PACKAGES[`${scope}/*`] : undefined)
  if (!allowed) return 'a package that the import table does not name'
  return allowed.test(path) ? undefined : `this package belongs in ${allowed.source}`
}

function folderOf(path: string): string {
  return path.split('/')[0] ?? path
}

function importsOf(path: string, text: string): string[] {
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node)
    if (specifier && ts.isStringLiteralLike(specifier)) names.push(specifier.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false))
  return names
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  }
  if (ts.isExternalModuleReference(node)) return node.expression
  if (!ts.isCallExpression(node)) return undefined
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
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
