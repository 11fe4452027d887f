/** A container as the agent sees it, for tests. */
import type { Container } from '../../../agent/engine/container.js'

/** A running container on `bridge` that exposes port 80; what a test is about is given. */
export function container(changes: Partial<Container> = {}): Container {
  return {
    id: 'ab12'.repeat(16),
    name: 'web-1',
    image: 'ghcr.io/acme/shop:1.2',
    labels: {},
    env: [],
    networkMode: 'bridge',
    networks: [{ name: 'bridge', address: '172.17.0.2' }],
    tcpPorts: [80],
    udpPorts: [],
    published: [],
    status: 'running',
    health: 'none',
    stopSignal: 15,
    stopGraceMs: 10_000,
    pid: 1,
    createdAt: '2026-01-01T00:00:00Z',
    startedAt: '2026-01-01T00:00:01Z',
    ...changes,
  }
}
