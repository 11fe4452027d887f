/** The parts of Sluice, and who speaks to whom. */
import type { Picture } from './shapes.js'

export const parts: Picture = {
  title: 'The parts of Sluice, and who speaks to whom',
  width: 780,
  height: 470,
  boxes: {
    clients: { left: 10, top: 52, width: 110, height: 56, title: 'clients', kind: 'other' },
    nginx: { left: 200, top: 14, width: 330, height: 200, title: 'nginx', kind: 'frame' },
    workers: {
      ...{ left: 220, top: 46, width: 290, height: 62, kind: 'nginx' },
      title: 'workers, with njs',
      lines: ['each request reads the table once'],
    },
    table: {
      ...{ left: 220, top: 146, width: 135, height: 54, kind: 'nginx' },
      title: 'table',
      lines: ['shared memory'],
    },
    fallback: {
      ...{ left: 375, top: 146, width: 135, height: 54, kind: 'nginx' },
      title: 'fallback',
      lines: ['files on disk'],
    },
    instances: {
      ...{ left: 640, top: 46, width: 130, height: 62, kind: 'other' },
      title: 'instances',
      lines: ['containers, servers'],
    },
    operator: {
      ...{ left: 10, top: 268, width: 110, height: 62, kind: 'other' },
      title: 'you',
      lines: ['sluice, REST'],
    },
    controller: {
      ...{ left: 220, top: 268, width: 290, height: 62, kind: 'part' },
      title: 'controller',
      lines: ['makes the table of what the registry says'],
    },
    docker: {
      ...{ left: 640, top: 288, width: 130, height: 46, kind: 'other' },
      title: 'Docker engine',
    },
    registry: {
      ...{ left: 220, top: 394, width: 290, height: 62, kind: 'part' },
      title: 'registry',
      lines: ['inside the controller, or etcd for several'],
    },
    agent: {
      ...{ left: 640, top: 394, width: 130, height: 62, kind: 'part' },
      title: 'agent',
      lines: ['one a machine'],
    },
  },
  arrows: [
    { from: 'clients.right', to: 'workers.left' },
    { from: 'workers.right', to: 'instances.left' },
    { from: 'workers.bottom.23', to: 'table.top' },
    { from: 'workers.bottom.77', to: 'fallback.top', dashed: true },
    { from: 'controller.top.23', to: 'table.bottom' },
    { from: 'controller.top.77', to: 'fallback.bottom' },
    { from: 'operator.right', to: 'controller.left' },
    { from: 'controller.bottom', to: 'registry.top', both: true },
    { from: 'agent.left', to: 'registry.right' },
    { from: 'docker.bottom', to: 'agent.top' },
    { from: 'docker.top', to: 'instances.bottom', dashed: true },
    { from: 'controller.right.10', to: 'instances.bottom.20', via: [[666, 274]], dashed: true },
  ],
  notes: [
    { x: 160, y: 70, text: 'requests', anchor: 'middle' },
    { x: 585, y: 70, text: 'requests', anchor: 'middle' },
    { x: 294, y: 131, text: 'reads' },
    { x: 449, y: 131, text: 'no table yet' },
    { x: 294, y: 246, text: 'differences' },
    { x: 449, y: 246, text: 'the same, as files' },
    { x: 170, y: 291, text: 'changes', anchor: 'middle' },
    { x: 373, y: 366, text: 'what is desired, what is applied' },
    { x: 575, y: 402, text: ['instances,', 'under a lease'], anchor: 'middle' },
    { x: 713, y: 366, text: 'events' },
    { x: 713, y: 190, text: 'runs' },
    { x: 588, y: 267, text: 'checks', anchor: 'middle' },
  ],
}
