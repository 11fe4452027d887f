/**
 * The bytes of a DNS answer. Each record names the question by a pointer, so 1,000 SRV records fit
 * into 64 KB. Pure.
 */
/** What answers are made of, each about the question's own name. */
export type PoolRecord =
  | { port: number; target: string; weight?: number; ttlSeconds?: number }
  | { address: string; ttlSeconds?: number }

const HEADER_BYTES = 12
const ANSWER_COUNT_AT = 6
const TO_QUESTION = 0xc000 | HEADER_BYTES
const [A, SRV, INTERNET] = [1, 33, 1]

/**
 * Before the data: pointer, type, class, time to live (0: nginx is to ask each second), length of
 * the data.
 */
function printHead(type: number, ttlSeconds: number, dataBytes: number): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(TO_QUESTION, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(INTERNET, 4)
  head.writeUInt32BE(ttlSeconds, 6)
  head.writeUInt16BE(dataBytes, 10)
  return head
}

function printRecord(record: PoolRecord): Buffer {
  const { ttlSeconds = 0 } = record
  if ('address' in record) {
    return Buffer.concat([
      printHead(A, ttlSeconds, 4),
      Buffer.from(record.address.split('.').map(Number)),
    ])
  }
  const labels = record.target
    .split('.')
    .flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)])
  const service = Buffer.alloc(6)
  service.writeUInt16BE(record.weight ?? 1, 2)
  service.writeUInt16BE(record.port, 4)
  const data = Buffer.concat([service, ...labels, Buffer.alloc(1)])
  return Buffer.concat([printHead(SRV, ttlSeconds, data.length), data])
}

/** The set of members changes seldom, and nginx asks each second: what was printed is kept. */
const printed = new WeakMap<readonly PoolRecord[], Buffer>()

/** The bytes of all records. Records that are kept are the same object, and printed once. */
export function printRecords(records: readonly PoolRecord[]): Buffer {
  const bytes = printed.get(records) ?? Buffer.concat(records.map(printRecord))
  printed.set(records, bytes)
  return bytes
}

/** `head` is an answer without records, which begins with its header and its one question. */
export function withRecords(head: Buffer, records: readonly PoolRecord[]): Buffer {
  const whole = Buffer.concat([head, printRecords(records)])
  whole.writeUInt16BE(records.length, ANSWER_COUNT_AT)
  return whole
}
