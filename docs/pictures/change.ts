/** The way of a change, from who asks for it to the next request. */
import type { Picture } from './shapes.js'

const STEP = { left: 542, width: 128, height: 56, kind: 'part' } as const

export const change: Picture = {
  title:
    'The way of a change, from Docker or a call by way of the registry and the controller into nginx',
  width: 900,
  height: 490,
  boxes: {
    docker: {
      ...{ left: 10, top: 60, width: 124, height: 56, kind: 'other' },
      title: 'Docker',
      lines: ['a container starts'],
    },
    you: {
      ...{ left: 10, top: 192, width: 124, height: 56, kind: 'other' },
      title: 'you',
      lines: ['sluice, REST'],
    },
    agent: {
      ...{ left: 180, top: 44, width: 150, height: 88, kind: 'part' },
      title: 'agent',
      lines: ['engine: what runs', 'plan: instances', 'register: a lease'],
    },
    api: {
      ...{ left: 180, top: 192, width: 150, height: 56, kind: 'part' },
      title: 'controller/api',
      lines: ['checks, and writes'],
    },
    registry: {
      ...{ left: 376, top: 120, width: 104, height: 68, kind: 'part' },
      title: 'registry',
      lines: ['revision n'],
    },
    controller: { left: 516, top: 14, width: 170, height: 372, title: 'controller', kind: 'frame' },
    state: { ...STEP, top: 44, title: 'state', lines: ['what is desired'] },
    table: { ...STEP, top: 132, title: 'table', lines: ['compiled, in units'] },
    files: { ...STEP, top: 220, title: 'fallback', lines: ['the same, as files'] },
    push: { ...STEP, top: 308, title: 'push', lines: ['what differs'] },
    disk: { left: 756, top: 228, width: 124, height: 40, title: 'disk', kind: 'other' },
    nginx: { left: 742, top: 284, width: 152, height: 196, title: 'nginx', kind: 'frame' },
    admin: {
      ...{ left: 756, top: 318, width: 124, height: 56, kind: 'nginx' },
      title: 'njs/admin',
      lines: ['all or none'],
    },
    dict: {
      ...{ left: 756, top: 406, width: 124, height: 56, kind: 'nginx' },
      title: 'shared dict',
      lines: ['read by requests'],
    },
  },
  arrows: [
    { from: 'docker.right', to: 'agent.left' },
    { from: 'you.right', to: 'api.left' },
    { from: 'agent.right', to: 'registry.top.30', via: [[407, 88]] },
    { from: 'api.right', to: 'registry.bottom.30', via: [[407, 220]] },
    { from: 'registry.top.80', to: 'state.left', via: [[459, 72]] },
    { from: 'state.bottom', to: 'table.top' },
    { from: 'table.bottom', to: 'files.top' },
    {
      from: 'table.left',
      to: 'push.left.30',
      via: [
        [528, 160],
        [528, 325],
      ],
    },
    { from: 'files.right', to: 'disk.left' },
    { from: 'push.right.65', to: 'admin.left' },
    { from: 'admin.bottom', to: 'dict.top' },
    { from: 'push.left.70', to: 'registry.bottom.80', via: [[459, 347]], dashed: true },
  ],
  notes: [
    { x: 452, y: 300, text: ['what this gateway', 'has applied'], anchor: 'end' },
    { x: 714, y: 338, text: 'delta', anchor: 'middle' },
  ],
}
