/** The statuses that a policy may name for another try; apart from its guard, for njs reads it. */
export const RETRY_STATUSES = [429, 500, 502, 503, 504]
