/** What an agent found wrong with what it registers, as its record in the registry says it. */
import { printAddress } from '../../contract/guard/address.js'
import type { AgentProblem } from '../../contract/record/agent-record.js'
import type { Contested } from './host-claims.js'
import { targetKey } from './probe-target.js'
import type { ProbeTarget } from './probe-target.js'
import type { Unreached } from './port-prober.js'

/** A whole rack of them is reported by a few. */
const MOST_PROBLEMS = 20
const MOST_CHARACTERS = 300

export interface ProblemSources {
  /** Among this machine's containers, and with those of others. */
  contested: readonly Contested[]
  targets: readonly ProbeTarget[]
  /** By {@link targetKey}. */
  unreached: ReadonlyMap<string, Unreached>
}

type Found = Omit<AgentProblem, 'sinceAtMs'>

/** One sentence on what is so, and what it means for requests. */
export function unreachedText(what: Unreached, { container, host, port }: ProbeTarget): string {
  const address = printAddress(host, port)
  const texts = {
    listens: `listens, but is not reached at ${address} from here; each gateway finds out for itself`,
    unknown: `is not reached at ${address} from here, listening or not; each gateway finds out for itself`,
    refused: `takes no connection at ${address}, so it is down`,
  }
  return `container ${container} ${texts[what]}`
}

function foundIn({ contested, targets, unreached }: ProblemSources): Found[] {
  return [
    ...contested.map(({ claim, message }): Found => ({
      ...{ code: 'host_contested', subject: claim, message },
    })),
    ...targets.flatMap((target): Found[] => {
      const what = unreached.get(targetKey(target))
      const subject = `${target.host}:${target.port}`
      const code = 'address_unreached'
      return what === undefined ? [] : [{ code, subject, message: unreachedText(what, target) }]
    }),
  ]
}

/** Each subject once. What was there `before` has lasted since then. */
export function listProblems(
  sources: ProblemSources,
  before: readonly AgentProblem[],
): AgentProblem[] {
  const problems = new Map<string, AgentProblem>()
  for (const { code, subject, message } of foundIn(sources)) {
    const same = before.find((each) => each.code === code && each.subject === subject)
    const sinceAtMs = same?.sinceAtMs ?? Date.now()
    const cut = (text: string) => text.slice(0, MOST_CHARACTERS)
    const problem = { code, subject: cut(subject), message: cut(message), sinceAtMs }
    problems.set(`${code} ${subject}`, problem)
  }
  return [...problems.values()].slice(0, MOST_PROBLEMS)
}
