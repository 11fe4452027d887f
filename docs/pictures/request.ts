/** The way of a request: front, pool, hop. */
import type { Picture } from './shapes.js'

export const request: Picture = {
  title:
    'The way of a request: the front picks, the pool keeps connections open, the hop retries and answers',
  width: 860,
  height: 340,
  boxes: {
    client: { left: 10, top: 70, width: 90, height: 70, title: 'client', kind: 'other' },
    nginx: { left: 150, top: 14, width: 520, height: 312, title: 'nginx', kind: 'frame' },
    front: {
      ...{ left: 170, top: 70, width: 150, height: 70, kind: 'nginx' },
      title: '1. front',
      lines: ['picks a peer', 'by one read'],
    },
    pool: {
      ...{ left: 470, top: 70, width: 180, height: 70, kind: 'nginx' },
      title: '2. pool',
      lines: ['every peer, with', 'connections kept open'],
    },
    table: {
      ...{ left: 170, top: 246, width: 150, height: 64, kind: 'nginx' },
      title: 'table',
      lines: ['shared memory'],
    },
    hop: {
      ...{ left: 470, top: 212, width: 180, height: 98, kind: 'nginx' },
      title: '3. hop',
      lines: ['tries other peers,', 'or answers 404, 503'],
    },
    peer: { left: 730, top: 70, width: 120, height: 70, title: 'instance', kind: 'other' },
    other: {
      ...{ left: 730, top: 226, width: 120, height: 70, kind: 'other' },
      title: 'another one',
      lines: ['by address'],
    },
  },
  arrows: [
    { from: 'client.right', to: 'front.left' },
    { from: 'front.right', to: 'pool.left' },
    { from: 'pool.right', to: 'peer.left' },
    { from: 'front.bottom.33', to: 'table.top.33' },
    { from: 'pool.bottom', to: 'hop.top', dashed: true },
    { from: 'front.bottom.80', to: 'hop.left.14', via: [[290, 226]], dashed: true },
    { from: 'hop.left.70', to: 'table.right.55', dashed: true },
    { from: 'hop.right', to: 'other.left', dashed: true },
  ],
  notes: [
    { x: 395, y: 97, text: 'the peer’s name', anchor: 'middle' },
    { x: 395, y: 123, text: '(its SID)', anchor: 'middle' },
    { x: 228, y: 182, text: 'key' },
    { x: 568, y: 162, text: ['not known yet,', 'refused, reset,', 'timed out'] },
    {
      x: 300,
      y: 174,
      text: ['what needs more: rewrites, headers,', 'retries by status, a first cookie, TLS'],
    },
    { x: 395, y: 273, text: 'looks again', anchor: 'middle' },
  ],
}
