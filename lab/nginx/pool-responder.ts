// The smallest thing that feeds nginx's pool: one SRV record for each peer's port. Only for tests
// of the data plane alone.
import { createSocket } from 'node:dgram'
import dns from 'dns-packet'

export interface PoolResponder {
  /** `10.0.0.7:80`, IPv4 only. From the next question on. */
  setPeers(addresses: string[]): void
  /** The same, of the kept pool and that for gRPC. */
  setKept(addresses: string[]): void
  /** How many rounds of questions began, of the pool that asked fewer times. */
  rounds(): number
  stop(): Promise<void>
}

export async function startPoolResponder(port: number): Promise<PoolResponder> {
  // Nobody listens there; with no answer nginx would wait before it asks again.
  let peers = ['127.0.0.1:9']
  let kept = peers
  const rounds = { p0: 0, k0: 0, g0: 0 }
  let stopped: Promise<void> | undefined
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    const { id, questions: asked = [] } = dns.decode(message)
    const [question] = asked
    if (!question) {
      return
    }
    // All are given by one of the names that nginx asks for; no answer may be empty.
    const [, part] = /^_http\._tcp\.(p0|k0|g0)\./i.exec(question.name.toLowerCase()) ?? []
    if (part === 'p0' || part === 'k0' || part === 'g0') {
      rounds[part] += 1
    }
    const given = part === 'p0' ? peers : part === undefined ? peers.slice(0, 1) : kept
    const answers =
      question.type === 'SRV'
        ? srv(question.name, given, part)
        : a(question.name, /\.[gk]0\./i.test(question.name) ? kept : peers)
    const flags = dns.AUTHORITATIVE_ANSWER
    socket.send(
      dns.encode({ type: 'response', id: id ?? 0, flags, questions: asked, answers }),
      from.port,
      from.address,
    )
  })
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve))
  return {
    setPeers: (addresses) => void (peers = ['127.0.0.1:9', ...addresses]),
    setKept: (addresses) => void (kept = ['127.0.0.1:9', ...addresses]),
    rounds: () => Math.min(rounds.p0, rounds.k0),
    stop: () => (stopped ??= new Promise((resolve) => socket.close(() => resolve()))),
  }
}

function srv(name: string, peers: string[], part = 'p0'): dns.Answer[] {
  const ports = [...new Set(peers.map((peer) => Number(peer.split(':')[1])))]
  return ports.map((port) => ({
    type: 'SRV',
    name,
    ttl: 0,
    data: { port, target: `p${port}.${part}.sluice`, priority: 0, weight: 1 },
  }))
}

function a(name: string, peers: string[]): dns.Answer[] {
  const port = /^p(\d+)\./.exec(name)?.[1]
  const hosts = peers.map((peer) => peer.split(':')).filter((parts) => parts[1] === port)
  return hosts.map(([host = '']) => ({ type: 'A', name, ttl: 0, data: host }))
}
