/** What a lookup in the table reads of a request or a connection. */
/** What is read of a request: its path as nginx normalised it, and variables. */
export interface Asked {
  readonly uri: string
  readonly variables: { [name: string]: string | undefined }
}
