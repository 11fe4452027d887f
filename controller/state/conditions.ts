/**
 * Conditions: what a gateway found out about an instance by itself, beyond the registry. Only their
 * shape is here, and not in health/, which makes them: the table, on a floor below health/, is made
 * of them.
 */

export interface Condition {
  /** `down`: gets nothing new. */
  state: 'up' | 'down'
  reason?: string
  /** 1 to 9: one request is to try it; the number of that trial, in turn. Only while down. */
  trial?: number
  /**
   * Ejected for what it did to others. It is asked all the same where nobody else is left. Only
   * while down.
   */
  ejected?: true
  /** Above 0 and below 1: the part of its weight that it gets while it warms up. */
  share?: number
}

/** By instance id. The same object until something in it changes. */
export type InstanceConditions = ReadonlyMap<string, Condition>
