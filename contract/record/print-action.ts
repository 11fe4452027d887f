/** An action as text; apart from its guard, which njs does without. */

/** JSON of ASCII alone, without line ends: what a record of the table may hold. */
export function printAction(action: object): string {
  return JSON.stringify(action).replace(/[\u007f-\uffff]/g, (char) => {
    return '\\u' + ('000' + char.charCodeAt(0).toString(16)).slice(-4)
  })
}
