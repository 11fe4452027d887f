/** Since when a gateway has been behind what is desired. */

export class Lag {
  #behindSinceMs: number | undefined
  /** The same of what is on its way. */
  #sendingSinceMs: number | undefined

  /** Milliseconds since it fell behind; 0 when it is level. */
  get ms(): number {
    const sinceMs = this.#sendingSinceMs ?? this.#behindSinceMs
    return sinceMs === undefined ? 0 : performance.now() - sinceMs
  }

  /** There is something new. */
  begin(): void {
    this.#behindSinceMs ??= performance.now()
  }

  /** There was nothing to send. */
  none(): void {
    this.#behindSinceMs = undefined
  }

  /** All that is known is sent now. What comes from now on is not in it. */
  send(): void {
    this.#sendingSinceMs = this.#behindSinceMs ?? performance.now()
    this.#behindSinceMs = undefined
  }

  /** What was sent is acknowledged. Returns how long that took, in milliseconds. */
  applied(): number {
    const ms = this.ms
    this.#sendingSinceMs = undefined
    return ms
  }

  /** What was sent is not acknowledged, and stays to be sent. */
  failed(): void {
    this.#behindSinceMs = this.#sendingSinceMs ?? this.#behindSinceMs ?? performance.now()
    this.#sendingSinceMs = undefined
  }
}
