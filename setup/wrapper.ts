/** Scripts that start unpacked programs with the libraries beside them. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { SetupError } from './errors.js'

/**
 * Debian's newer programs need the C library they were built with, so each is started through the
 * unpacked loader, by a script that finds its folder wherever that was moved to. A program that
 * starts itself anew, as nginx does when it is upgraded, does so by its first argument: the script.
 */
export function wrapPrograms(root: string, programs: readonly string[]): void {
  if (programs.length === 0) {
    return
  }
  const loader = findLoader(root)
  const libraries = libraryFolders(root).map((folder) => `$root/${folder}`)
  mkdirSync(join(root, 'bin'))
  for (const program of programs) {
    const script = `#!/bin/sh
root=$(cd "\${0%/*}/.." && pwd)
exec "$root/${loader}" --argv0 "$0" --library-path "${libraries.join(':')}" "$root/${program}" "$@"
`
    writeFileSync(join(root, 'bin', basename(program)), script, { mode: 0o755 })
  }
}

function findLoader(root: string): string {
  const found = readdirSync(join(root, 'usr'))
    .filter((name) => /^lib\w*$/.test(name))
    .flatMap((folder) => readdirSync(join(root, 'usr', folder)).map((name) => `${folder}/${name}`))
    .find((path) => /\/ld-linux-[^/]+\.so\.\d+$/.test(path))
  if (!found) {
    throw new SetupError('unpack_failed', `the C library brought no loader into ${root}`)
  }
  return `usr/${found}`
}

function libraryFolders(root: string): string[] {
  return readdirSync(join(root, 'usr', 'lib'))
    .filter((name) => /-linux-gnu\w*$/.test(name))
    .map((name) => `usr/lib/${name}`)
    .filter((path) => statSync(join(root, path)).isDirectory())
}
