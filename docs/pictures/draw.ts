/**
 * Draws every picture of docs/ anew, beside this file: `node --import tsx docs/pictures/draw.ts`.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PICTURES } from './pictures.js'
import { printPicture } from './shapes.js'

const folder = dirname(fileURLToPath(import.meta.url))
for (const [name, picture] of Object.entries(PICTURES)) {
  writeFileSync(join(folder, `${name}.svg`), printPicture(picture))
}
