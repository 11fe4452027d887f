/** Makes checks where no file descriptor is left, then where some are again; prints a line of JSON for each. */
import { closeSync, openSync } from 'node:fs'
import { checkCheckPolicy } from '../../contract/check-policy.js'
import { checkGrpc } from '../../controller/checks/grpc-check.js'
import { checkHttp } from '../../controller/checks/http-check.js'
import { checkTcp } from '../../controller/checks/tcp-check.js'

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
    const policy = checkCheckPolicy({ type })
    if (policy.ok) results[type] = await check(address, policy.value, new AbortController().signal)
  }
  return results
}

// What is loaded on first use is loaded.
const before = await checkAll()
const files = takeAllFiles()
const without = await checkAll()
files.forEach((file) => closeSync(file))
console.log(JSON.stringify({ before, without, after: await checkAll() }))
