import type { Rules } from '../../contract/rules.js'

/** Rules that ask for nothing, to make others of. */
export const NO_RULES: Rules = {
  balance: 'w',
  count: 0,
  spill: 0,
  backups: 0,
  key: '',
  weights: 0,
  loadPercent: 0,
  sticky: '',
  capped: false,
  measured: false,
  tries: 8,
  timeoutMs: 0,
  statuses: 0,
  nonIdempotent: false,
  budgetPercent: 0,
  trial: '',
  tls: '',
  grpc: false,
}
