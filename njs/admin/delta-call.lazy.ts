/** `POST /delta`, the call that comes with every change: apart from what is seldom called. */
import { parseDelta } from '../../contract/push-guard.js'
import { post } from './answer.js'
import { withBody } from './body.js'
import { applyDelta } from './apply.js'
import { write } from './locked-write.js'
import { zones } from '../memory/dict.js'

function delta(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseDelta, (body) =>
      write(
        () => applyDelta(zones.sluice_table, body, r.args.grows === '1'),
        (state) => state,
      ),
    ),
  )
}

export function deltaCall(): (r: NginxHTTPRequest) => void {
  return delta
}
