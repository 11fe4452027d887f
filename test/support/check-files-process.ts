/**
 * Makes checks where no file descriptor is left, then where some are again; prints what was found,
 * as JSON.
 */
import { closeSync, openSync } from 'node:fs'
import { guardCheckPolicy } from '../../contract/record/check-policy.js'
import { Checker } from '../../controller/health/checks/checker.js'
import { checkGrpc } from '../../controller/health/checks/grpc-check.js'
import { checkHttp } from '../../controller/health/checks/http-check.js'
import { checkTcp } from '../../controller/health/checks/tcp-check.js'
import { silentLogger } from '../../runtime/logger.js'
import { until } from '../../lab/until.js'

const CHECKS = { http: checkHttp, tcp: checkTcp, grpc: checkGrpc }
const address = { host: '127.0.0.1', port: Number(process.argv[2]) }

function takeAllFiles(): number[] {
  const files: number[] = []
  for (;;) {
    try {
      files.push(openSync('/dev/null', 'r'))
    } catch {
      return files
    }
  }
}

async function checkAll(): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {}
  for (const [type, check] of Object.entries(CHECKS)) {
    const policy = guardCheckPolicy({ type })
    if (policy.ok) {
      results[type] = await check(address, policy.value, new AbortController().signal)
    }
  }
  return results
}

/** What a checker concludes that could not ask for a while. */
async function conclude(): Promise<unknown> {
  const policy = guardCheckPolicy({ type: 'tcp', fall: 1, intervalMs: 500 })
  if (!policy.ok) {
    return policy
  }
  const checker = new Checker({ log: silentLogger, onChange: () => undefined })
  const often = { ...policy.value, intervalMs: 20 }
  checker.setTargets([{ key: 'web/1', ...address, policy: often }])
  await until(() => checker.counts().unmade > 3)
  const verdict = checker.verdict('web/1')
  await checker.close()
  return verdict
}

// What is loaded on first use is loaded.
const before = await checkAll()
const files = takeAllFiles()
const without = await checkAll()
const concluded = await conclude()
files.forEach((file) => closeSync(file))
console.log(JSON.stringify({ before, without, concluded, after: await checkAll() }))
