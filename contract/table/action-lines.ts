/** What stands in which line of a route that acts, as the front reads them. */
export const enum Line {
  /** `:web /api` */
  Target = 0,
  /**
   * Variables of headers that the client must not have sent, with spaces; {@link FOR_HOP} or
   * {@link FOR_PATIENT_HOP} where the hop has to act.
   */
  Absent = 1,
  /** The Host that the upstream gets; '' for the client's. */
  Host = 2,
  /** What takes the place of the prefix; '' for no rewrite. */
  Path = 3,
  /** Lines of request headers, each behind a tab. */
  Sent = 4,
  /** `=X-Own: set`, `+Vary: added` and `-X-Gone`, each behind a tab. */
  Answered = 5,
}

export const FOR_HOP = '-'
/** The same for a route that has time limits of its own. */
export const FOR_PATIENT_HOP = '--'
