/**
 * Which gates are open. One is opened only when nginx has surely taken who is in its lane, the
 * table in nginx is level, and nothing is going on in the upstream that nginx could not know of. It
 * is closed before a change of its host or its upstream is sent to the table, and so before anybody
 * is told that the change holds.
 *
 * Nothing depends on a gate's being open: a closed one leaves its requests to the table. A
 * controller that ends leaves them as they are, for without it nothing changes; the next one begins
 * by closing all.
 */
import type { Logger } from '../../runtime/logger.js'
import { messageOf } from '../../runtime/errors.js'
import type { CompiledUpstream } from '../table/compiled-upstream.js'
import type { CompiledView } from '../table/desired-table.js'
import {
  closeAllGates,
  closeGate,
  closeOtherGates,
  makeGateFolder,
  openGate,
} from './gate-files.js'
import { planLanes } from './lane.js'
import type { Gate, LanePlan } from './lane.js'
import { FoundLanes, newState, nextOf } from './lane-state.js'
import type { LaneState } from './lane-state.js'
import { LaneViews, showRequest } from './lane-view.js'
import type { LanesNow } from './lane-view.js'
import type { AskedRequest, LaneNow } from '../views.js'
import { LaneNames } from './lane-names.js'

export interface LanesOptions {
  home: string
  /** How many at most. */
  most: number
  log: Logger
  /** Whether nginx's table is another controller's now. */
  isFenced(): boolean
  /** Whether nginx's table is level with all that was compiled, and this controller's own. */
  isLevel(): boolean
  /** Requests in flight of a lane, at all workers; undefined when nobody knows. */
  inFlight(id: string): Promise<number | undefined>
  /** What {@link Lanes.views} says is something else now. */
  onChange(): void
}

const LOOK_MS = 100
/** What may be open is looked for no less often than this, whatever was noticed. */
const WHOLE_LOOK_MS = 1000

export class Lanes {
  readonly names: LaneNames
  readonly #options: LanesOptions
  readonly #states = new Map<string, LaneState>()
  /** By id. */
  readonly #open = new Map<string, Gate>()
  /** Of those, the ones that should be closed and could not be, and why. */
  readonly #stuck = new Map<Gate, unknown>()
  readonly #views = new LaneViews()
  #plan: LanePlan = { lanes: new Map(), gates: new Map(), hosts: [], named: [], refused: new Map() }
  readonly #found = new FoundLanes()
  /** What the plan was made from. */
  #planned: { found: LanesNow['found']; routes: unknown } | undefined
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #isCounting = false
  #nextLookMs = 0

  constructor(options: LanesOptions) {
    this.#options = options
    this.names = new LaneNames({
      onAsker: (id) => this.#shutLane(id),
      onTaken: () => this.#lookSoon(),
    })
  }

  /** What nginx should be given at its next start. */
  get plan(): LanePlan {
    return this.#plan
  }

  get openGates(): number {
    return this.#open.size
  }

  /** Closes all, whoever opened them. Throws when one may still be open. */
  start(): void {
    makeGateFolder(this.#options.home)
    closeAllGates(this.#options.home)
    this.#open.clear()
    this.#timer ??= setInterval(() => this.#beat(), LOOK_MS)
  }

  /** Leaves all gates as they are. */
  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** How each upstream is served, by its name. */
  get views(): LaneViews {
    return this.#views
  }

  /** How such a request is served. */
  ofRequest(request: AskedRequest): LaneNow {
    return showRequest(this.#now, request)
  }

  /** nginx was started anew, and has resolved nothing: until then the hop serves what comes. */
  nginxStarted(): void {
    this.#tryCloseAll()
    this.names.forget()
    this.#notice()
  }

  /**
   * The table is about to be changed to this. Closes what is not so any more. Throws when a gate
   * may still be open: then the table must stay as it is.
   */
  update(view: CompiledView): void {
    this.#replan(view)
    for (const state of this.#states.values()) {
      this.#follow(state, view.compiled(state.lane.upstream))
    }
    for (const gate of this.#open.values()) {
      const isTrue = this.#plan.gates.has(gate.id)
      if (!isTrue || gate.arms.some(({ lane }) => this.#states.get(lane.id)?.why !== undefined)) {
        this.#shut(gate)
      }
    }
    this.#notice()
    this.#settle()
  }

  /**
   * How many requests of lanes may be at each of these peers: undefined when that is not known. A
   * lane counts for all of its peers together, so it is known when there are none, or there is one
   * peer.
   */
  async inFlightAt(sids: readonly string[]): Promise<Array<number | undefined>> {
    const sums = new Map<string, number | undefined>(sids.map((sid) => [sid, 0]))
    for (const state of this.#states.values()) {
      const held = [...sums.keys()].filter((sid) => state.holding.has(sid))
      const count = held.length === 0 ? 0 : await this.#inFlight(state)
      const isKnown = count !== undefined && (count === 0 || state.holding.size === 1)
      for (const sid of held) {
        const before = sums.get(sid)
        sums.set(sid, isKnown && before !== undefined ? before + count : undefined)
      }
    }
    return sids.map((sid) => sums.get(sid))
  }

  #replan({ desired, plan }: CompiledView): void {
    const found = this.#found.of(desired)
    if (found === this.#planned?.found && plan === this.#planned.routes) {
      return
    }
    const next = planLanes(plan, found, this.#options.most)
    const gone = [...this.#open.values()].filter(({ id }) => !next.gates.has(id))
    gone.forEach((gate) => this.#shut(gate))
    this.#plan = next
    this.#planned = { found, routes: plan }
    for (const [id, state] of this.#states) {
      state.isPlanned = next.lanes.has(id)
      state.compiled = null
    }
    for (const [id, lane] of next.lanes) {
      this.#states.set(id, this.#states.get(id) ?? newState(lane))
    }
    this.names.retain(next.lanes)
  }

  /** Takes what an upstream is now. Another set of peers closes its gates first. */
  #follow(state: LaneState, compiled: CompiledUpstream | undefined): void {
    if (state.compiled === compiled && state.isPlanned) {
      return
    }
    const next = nextOf(state, compiled)
    const { key, members } = next
    if (key !== state.key) {
      this.#shutLane(state.lane.id)
      this.names.set(state.lane.id, members, 0)
    }
    Object.assign(state, next)
  }

  #beat(): void {
    this.names.beat()
    this.#look()
  }

  /** Opens what may be open. */
  #look(): void {
    if (this.#options.isFenced()) {
      this.#tryCloseAll()
      return
    }
    void this.#count()
    if (performance.now() < this.#nextLookMs || !this.#isSettled()) {
      return
    }
    this.#nextLookMs = performance.now() + WHOLE_LOOK_MS
    const shut = [...this.#plan.gates.values()].filter(({ id }) => !this.#open.has(id))
    const may = shut.filter((gate) => this.#mayOpen(gate))
    if (may.length > 0 && this.#options.isLevel()) {
      may.forEach((gate) => this.#openOne(gate))
    }
    this.#show()
  }

  /** Once for all that nginx asks at a time. */
  #lookSoon(): void {
    this.#notice()
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      if (this.#timer !== undefined) {
        this.#look()
      }
    })
  }

  /** Something may be open now, or is shown in another way. */
  #notice(): void {
    this.#nextLookMs = 0
  }

  #mayOpen({ arms }: Gate): boolean {
    return arms.every(({ lane: { id } }) => {
      const state = this.#states.get(id)
      const isIdle = state !== undefined && state.why === undefined && !state.leaving
      return isIdle && this.names.isTaken(id)
    })
  }

  #openOne(gate: Gate): void {
    // Also where opening fails half way.
    this.#open.set(gate.id, gate)
    for (const { lane } of gate.arms) {
      const state = this.#states.get(lane.id)
      if (state !== undefined) {
        state.openings++
        state.members.forEach(({ sid }) => state.holding.add(sid))
      }
    }
    try {
      openGate(this.#options.home, gate)
    } catch (error) {
      // No room for a file: the table serves.
      this.#options.log.debug({ error: messageOf(error) }, 'a gate cannot be opened')
      this.#shut(gate)
    }
  }

  #tryCloseAll(): void {
    this.#open.forEach((gate) => this.#shut(gate))
    this.#isSettled()
  }

  /** False, and logged, while a gate may be open that must not be. */
  #isSettled(): boolean {
    try {
      this.#settle()
      return true
    } catch (error) {
      this.#options.log.error({ error: messageOf(error) }, 'gates are left open')
      return false
    }
  }

  #shutLane(id: string): void {
    this.#openTo(id).forEach((gate) => this.#shut(gate))
  }

  /** Throws while a gate may be open that must not be, whoever opened it. */
  #settle(): void {
    for (const gate of this.#stuck.keys()) {
      this.#shut(gate)
    }
    for (const error of this.#stuck.values()) {
      throw error
    }
    const open = closeOtherGates(this.#options.home, this.#open)
    for (const id of this.#open.keys()) {
      if (!open.has(id)) {
        this.#open.delete(id)
        this.#notice()
      }
    }
  }

  /** The open gates to a lane. */
  #openTo(id: string): Gate[] {
    const open = [...this.#open.values()]
    return open.filter(({ arms }) => arms.some(({ lane }) => lane.id === id))
  }

  /** One that cannot be closed is tried again, and until then no change goes to the table. */
  #shut(gate: Gate): void {
    this.#notice()
    try {
      closeGate(this.#options.home, gate)
      this.#open.delete(gate.id)
      this.#stuck.delete(gate)
    } catch (error) {
      this.#stuck.set(gate, error)
    }
  }

  /** Looks whether anything is left where somebody drains, or no gate leads any more. */
  async #count(): Promise<void> {
    const asked = [...this.#states.values()].filter(
      ({ leaving, isPlanned }) => leaving || !isPlanned,
    )
    if (this.#isCounting || asked.length === 0) {
      return
    }
    this.#isCounting = true
    for (const state of asked) {
      await this.#inFlight(state)
    }
    this.#isCounting = false
  }

  /** A lane that is seen without requests, all of its gates shut since before, holds none. */
  async #inFlight(state: LaneState): Promise<number | undefined> {
    const { id } = state.lane
    const { openings } = state
    const isShut = this.#openTo(id).length === 0
    const count = await this.#options.inFlight(id)
    if (count === 0 && isShut && state.openings === openings) {
      state.holding.clear()
      state.leaving = false
      this.#notice()
      if (!state.isPlanned && this.#states.get(id) === state) {
        this.#states.delete(id)
      }
    }
    return count
  }

  #show(): void {
    if (this.#views.update(this.#now)) {
      this.#options.onChange()
    }
  }

  get #now(): LanesNow {
    return {
      ...{ found: this.#planned?.found ?? new Map(), plan: this.#plan },
      isOpen: (gate) => this.#open.has(gate),
      whyShut: (lane) => this.#whyShut(lane),
    }
  }

  #whyShut(id: string): LaneNow {
    if (!this.names.isAsked(id)) {
      return { state: 'none', reason: 'nginx was started before it came; see "sluice compile"' }
    }
    const state = this.#states.get(id)
    const taken = this.names.isTaken(id) ? 'a change is on its way' : 'nginx takes the instances'
    const leaving = 'requests finish that may be at an instance that drains'
    return { state: 'closed', reason: state?.why ?? (state?.leaving === true ? leaving : taken) }
  }
}
