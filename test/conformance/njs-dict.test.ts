/** What Sluice relies on of njs's shared dicts. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as esbuild from 'esbuild'
import t from 'tap'
import { ask } from '../../lab/ask.js'
import { GATEWAY_KINDS, startGateway } from '../../lab/nginx/gateway.js'
import { memoryDict, memoryNumberDict } from '../support/memory-dict.js'
import { runSuite } from '../support/njs-suite.js'
import { runPolicies } from '../support/policy-suite.js'
import { repository } from '../../lab/tools.js'

t.setTimeout(120_000)

t.test("in Node the dict's stand-in keeps to the suite", async (t) => {
  t.same(runSuite({ table: memoryDict(64 * 1024), numbers: memoryNumberDict() }), [])
  t.same(runPolicies({ table: memoryDict(), numbers: memoryNumberDict() }), [])
})

for (const kind of GATEWAY_KINDS) {
  t.test(`in nginx: ${kind}`, async (t) => {
    const conf = (port: number): string => `
      js_shared_dict_zone zone=suite:1m;
      js_shared_dict_zone zone=suite_numbers:64k type=number;
      server {
        listen 127.0.0.1:${port};
        js_import suite from "$HOME/logs/suite.js";
        location / { js_content suite.run; }
      }`
    const prepare = (home: string): Promise<unknown> => bundleSuite(join(home, 'logs/suite.js'))
    const gateway = await startGateway(t, { kind, conf, prepare })
    const answer = await ask({ port: gateway.userPort })
    t.equal(answer.status, 200, answer.body)
    t.same(answer.json, [])
  })
}

async function bundleSuite(outfile: string): Promise<void> {
  const { njs } = (await import(join(repository, 'scripts/build.mjs'))) as {
    njs: esbuild.BuildOptions
  }
  const entry = `
    import { runSuite } from './njs-suite.js'
    import { runPolicies } from './policy-suite.js'
    function run(r) {
      const dicts = { table: ngx.shared.suite, numbers: ngx.shared.suite_numbers }
      r.return(200, JSON.stringify(runSuite(dicts).concat(runPolicies(dicts))))
    }
    export default { run }`
  const stdin = {
    contents: entry,
    resolveDir: join(repository, 'test/support'),
    loader: 'ts' as const,
  }
  const built = await esbuild.build({ ...njs, stdin, write: false })
  writeFileSync(outfile, built.outputFiles[0]?.text ?? '')
}
