/**
 * Directives of an nginx.conf of one's own that do less than they say where Sluice's files are
 * included. Pure.
 */
import { insteadOf } from '../../nginx/own-directives.js'
import type { Directive } from './parse-conf.js'

interface Walk {
  /** Folder of the files that Sluice wrote, with a slash at its end. */
  sluice: string
  found: string[]
}

/** Of these a location that has one inherits none of the levels above. */
const WATCHED = /^(?:proxy|grpc)_|^limit_conn$/

/** Where Sluice's own locations lead a request on; what holds in the first one is said there. */
const ONWARD = /^@sluice_(?!grpc$)|^sluice_/

/** A sentence for each directive, with its place; `sluice` ends in a slash. */
export function findUnheld(directives: Directive[], sluice: string): string[] {
  const walk: Walk = { sluice, found: [] }
  visit({ name: '', args: [], at: '', file: '', block: directives }, [], walk)
  return walk.found
}

/** `inherited`: the user's directives of the blocks around that nothing replaced yet. */
function visit(owner: Directive, inherited: Directive[], walk: Walk): void {
  const { block = [] } = owner
  const isOurs = ({ file }: Directive) => file.startsWith(walk.sluice)
  const ours = block.filter(isOurs)
  const own = block.filter((each) => WATCHED.test(each.name) && !isOurs(each))
  const replaced = new Set(block.map(({ name }) => name))
  const inEffect = [...inherited.filter(({ name }) => !replaced.has(name)), ...own]
  const pass = ours.find(({ name }) => /^(?:proxy|grpc)_pass$/.test(name))
  if (pass !== undefined && !ONWARD.test(owner.args.at(-1) ?? '')) {
    const ofModule = ({ name }: Directive) =>
      name === 'limit_conn' || name.split('_')[0] === pass.name.split('_')[0]
    const shadowed = inherited.filter(
      (each) => !inEffect.includes(each) && !own.some(({ name }) => name === each.name),
    )
    inEffect.filter(ofModule).forEach((each) => sayUnheld(each, walk))
    shadowed.filter(ofModule).forEach((each) => sayShadowed(each, owner, ours, walk))
  }
  // http.conf has the inner servers, for which the user's directives are set back.
  const inner = block.filter(({ file }) => file !== `${walk.sluice}http.conf`)
  inner.forEach((each) => visit(each, inEffect, walk))
}

function printed({ at, name, args }: Directive): string {
  return `${at}: "${[name, ...args].join(' ')}"`
}

function sayUnheld(directive: Directive, { found }: Walk): boolean {
  const instead = insteadOf(directive.name, directive.args)
  if (instead !== undefined) {
    const what = `${printed(directive)} does not hold where a request passes the hop, Sluice's inner server`
    found.push(`${what} (sessions, routes that act, retries): ${instead}`)
  }
  return instead !== undefined
}

/** `owner`: the block that has Sluice's own directive of this name, one of `ours`. */
function sayShadowed(each: Directive, owner: Directive, ours: Directive[], walk: Walk): void {
  const isSame = ({ name, args }: Directive) =>
    name === each.name && args[0]?.toLowerCase() === each.args[0]?.toLowerCase()
  // Sluice sends instances the same, or what a setting says.
  if (sayUnheld(each, walk) || (/_set_header$/.test(each.name) && ours.some(isSame))) {
    return
  }
  const cure = owner.file.startsWith(walk.sluice)
    ? 'let a route say it, or include proxy.conf in a location of yours'
    : 'repeat it there'
  const place = owner.file.startsWith(walk.sluice) ? owner.file : owner.at
  walk.found.push(`${printed(each)} is not inherited in ${place}: ${cure}`)
}
