/**
 * What a lookup in the table reads of a request or a connection: its path as nginx normalised it,
 * and variables.
 */
export interface LookupRequest {
  readonly uri: string
  readonly variables: { [name: string]: string | undefined }
}
