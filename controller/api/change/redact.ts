/** What may be shown of a certificate's record. */

/** What a difference shows of a record: never its key. */
export function withoutKey(record: unknown): unknown {
  if (typeof record !== 'object' || record === null) {
    return record
  }
  const given = record as Record<string, unknown>
  return { certificate: given.certificate, ...flagsOf(given) }
}

/** What a certificate is for, where it is for something special. */
export function flagsOf(record: { default?: unknown; client?: unknown }): object {
  return {
    ...(record.default === true && { default: true }),
    ...(record.client === true && { client: true }),
  }
}
