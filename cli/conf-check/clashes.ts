/** What of an nginx.conf of one's own does not go together with Sluice's files. Pure. */
import { findShareClash } from './connections.js'
import { findUnheld } from './directives.js'
import type { Directive } from './parse-conf.js'

interface Walk {
  /** Folder of the files that Sluice wrote. */
  sluice: string
  clashes: string[]
}

/**
 * A sentence for each clash: what, where, and what to do. `sluice` is the folder of the files that
 * Sluice wrote.
 */
export function findClashes(directives: Directive[], sluice: string): string[] {
  const walk: Walk = { sluice: sluice.replace(/\/?$/, '/'), clashes: [] }
  visit(directives, [], walk)
  const shares = findShareClash(directives, walk.sluice)
  return [...new Set([...walk.clashes, ...findUnheld(directives, walk.sluice), ...shares])]
}

/** `pages`: the user's own error_page directives of the blocks around. */
function visit(block: Directive[], pages: Directive[], walk: Walk): void {
  headersTwice(block, walk)
  const isOurs = ({ file, args }: Directive) =>
    file.startsWith(walk.sluice) || args.some((arg) => arg.startsWith('$sluice_'))
  const here = block.filter(({ name }) => name === 'error_page')
  const own = here.filter((page) => !isOurs(page))
  if (here.some(isOurs) && own.length === 0) {
    pages.forEach(({ at, args }) => {
      const what = `${at}: "error_page ${args.join(' ')}" does not count where Sluice's files are included`
      walk.clashes.push(`${what}: repeat it in the location, or give the routes \`pages\``)
    })
  }
  // A block with error_page directives of its own inherits none.
  const inherited = here.length > 0 ? own : pages
  for (const { block: inner } of block) {
    if (inner !== undefined) {
      visit(inner, inherited, walk)
    }
  }
}

/** nginx sends both lines of a header that is set twice in one place. */
function headersTwice(block: Directive[], { sluice, clashes }: Walk): void {
  const set = block.filter(({ name }) => name === 'proxy_set_header')
  const nameOf = ({ args: [name = ''] }: Directive) => name.toLowerCase()
  const ours = new Set(set.filter(({ file }) => file.startsWith(sluice)).map(nameOf))
  for (const header of set.filter(({ file }) => !file.startsWith(sluice))) {
    if (ours.has(nameOf(header))) {
      const what = `${header.at}: "proxy_set_header ${header.args[0] ?? ''}" is set by Sluice's files, too`
      clashes.push(`${what}, and instances get both: leave it out there, or what includes it`)
    }
  }
}
