/** Every example does what its README says. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runPage } from '../support/examples.js'
import { repository } from '../../lab/tools.js'

t.setTimeout(170_000)

const found = readdirSync(join(repository, 'examples'), { withFileTypes: true })
for (const { name } of found.filter((entry) => entry.isDirectory())) {
  t.test(name, (t) => runPage(t, join('examples', name, 'README.md')))
}
