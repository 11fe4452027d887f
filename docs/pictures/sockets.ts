/** The sockets of one machine: who listens where, and who connects. */
import type { Picture } from './shapes.js'

const ENTRY = { left: 176, width: 136, height: 54, kind: 'nginx' } as const
const INNER = { left: 376, width: 140, height: 54, kind: 'nginx' } as const
const LAST = { left: 580, width: 136, height: 54, kind: 'nginx' } as const

export const sockets: Picture = {
  title:
    'The sockets of one machine: ports for clients, sockets between the servers of nginx, and the controller’s',
  width: 930,
  height: 650,
  boxes: {
    clients: { left: 10, top: 256, width: 100, height: 64, title: 'clients', kind: 'other' },
    nginx: { left: 146, top: 8, width: 604, height: 632, title: 'nginx', kind: 'frame' },
    http: { left: 160, top: 40, width: 576, height: 230, title: 'http{}', kind: 'frame' },
    stream: { left: 160, top: 308, width: 576, height: 318, title: 'stream{}', kind: 'frame' },
    front: { ...ENTRY, top: 84, title: ':8080', lines: ['front'] },
    https: { ...ENTRY, top: 190, title: 'https.sock', lines: ['front, over TLS'] },
    hop: { ...INNER, top: 84, title: 'hop, again, grpc', lines: ['hop; judge.sock'] },
    static: { ...INNER, top: 190, title: 'fallback.sock', lines: ['no table yet'] },
    admin: { ...LAST, top: 84, title: 'run/admin.sock', lines: ['writes the table'] },
    probe: { ...LAST, top: 190, title: 'accepts.sock', lines: ['asks on'] },
    names: { ...ENTRY, top: 352, title: ':8443', lines: ['reads the name'] },
    ports: { ...ENTRY, top: 448, title: ':9100–9109', lines: ['choose, connect'] },
    named: { ...ENTRY, top: 544, title: 'sni.sock', lines: ['ports with names'] },
    handed: { ...INNER, top: 352, title: 'untuned.sock', lines: ['chooses, connects'] },
    tuned: { ...INNER, top: 448, title: 'tuned.sock', lines: ['chooses, counts'] },
    tune: { ...INNER, top: 544, title: 'tune60.sock, …', lines: ['connects'] },
    ask: { ...LAST, top: 352, title: 'preflight.sock', lines: ['connects, leaves'] },
    writer: { ...LAST, top: 448, title: 'run/stream.sock', lines: ['writes its table'] },
    controller: {
      ...{ left: 806, top: 84, width: 114, height: 132, kind: 'part' },
      title: 'controller',
      lines: [':8081 REST', 'api.sock', 'pool port: DNS,', 'asked by nginx'],
    },
    instances: { left: 806, top: 540, width: 114, height: 64, title: 'instances', kind: 'other' },
  },
  arrows: [
    { from: 'clients.top', to: 'front.left', via: [[60, 111]] },
    {
      from: 'clients.right',
      to: 'names.left',
      via: [
        [130, 288],
        [130, 379],
      ],
    },
    { from: 'clients.bottom', to: 'ports.left', via: [[60, 475]] },
    { from: 'front.right', to: 'hop.left' },
    {
      from: 'https.right.30',
      to: 'hop.left.80',
      via: [
        [344, 206],
        [344, 127],
      ],
    },
    { from: 'hop.bottom', to: 'static.top', dashed: true },
    {
      from: 'hop.right',
      to: 'probe.left',
      via: [
        [548, 111],
        [548, 217],
      ],
      dashed: true,
    },
    { from: 'probe.bottom', to: 'ask.top', dashed: true },
    { from: 'names.top', to: 'https.bottom' },
    { from: 'names.right', to: 'handed.left' },
    {
      from: 'names.right.80',
      to: 'tuned.left.30',
      via: [
        [344, 395],
        [344, 464],
      ],
    },
    { from: 'ports.right', to: 'tuned.left' },
    { from: 'ports.bottom', to: 'named.top' },
    { from: 'tuned.bottom', to: 'tune.top' },
    { from: 'controller.left.20', to: 'admin.right' },
    { from: 'controller.bottom', to: 'writer.right', via: [[863, 475]] },
    { from: [750, 572], to: 'instances.left' },
  ],
  notes: [
    { x: 757, y: 104, text: 'deltas' },
    { x: 757, y: 468, text: 'deltas' },
    { x: 252, y: 294, text: 'terminated' },
    { x: 320, y: 372, text: 'unread' },
  ],
}
