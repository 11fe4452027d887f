/** `sluice import --from registrator`: each flag is read, and named. */
import t from 'tap'
import { importCommand } from '../../../cli/commands/import.js'
import { importRegistrator, printSettings } from '../../../cli/import/registrator.js'
import { UsageError } from '../../../cli/usage-error.js'
import type { Invocation } from '../../../cli/command.js'

t.test('flags become settings', async (t) => {
  const args =
    '-cleanup -internal --ip=10.0.0.7 -ttl 30 -deregister always -tags a,b -explicit -speed 9'
  const read = importRegistrator([...args.split(' '), 'consul://10.0.0.1:8500'])
  t.same(
    [...read.settings],
    [
      ['SLUICE_REGISTRATOR_INTERNAL', 'true'],
      ['SLUICE_AGENT_ADDRESS', '10.0.0.7'],
    ],
  )
  const named = read.why.map(({ flag }) => flag)
  const flags = [
    '-cleanup',
    '-internal',
    '-ip',
    '-ttl',
    '-deregister',
    '-tags',
    '-explicit',
    '-speed',
  ]
  t.same(named, [...flags, '9', 'consul://10.0.0.1:8500'])
  t.match(printSettings(read), /^# -speed: registrator has no such flag$/m)
  t.match(printSettings(read), /^# -tags: not taken/m)
})

t.test('what is not said counts, too, and what is wrong is named', async (t) => {
  const bare = importRegistrator(['-internal=false', '-ip', 'eth0'])
  t.same([...bare.settings], [['SLUICE_REGISTRATOR_EXPLICIT', 'false']])
  t.match(printSettings(bare), /^# -ip: not taken: it is no address$/m)
  t.throws(() => importRegistrator(['-ip']), { name: 'UsageError', message: '-ip needs a value' })
})

t.test('a tool that is not known is a wrong usage', async (t) => {
  for (const from of [undefined, 'toString', 'nginx']) {
    const flags = new Map(from === undefined ? [] : [['from', from]])
    const call = { flags, positionals: [], json: false } as unknown as Invocation
    await t.rejects(importCommand.run(call), UsageError, from ?? 'none')
  }
})
