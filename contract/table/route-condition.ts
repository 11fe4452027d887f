/**
 * A condition of a route as the table has it, and as the front, the hop and `explain` judge it:
 * `http_x_canary=always`, or `cookie_beta` where any value but '' will do, by nginx's variables;
 * `request_method=GET POST` names each that will do.
 */

/** nginx's variables of a request. */
export interface Variables {
  [name: string]: string | undefined
}

const METHOD = 'request_method='

export function isMet(condition: string, variables: Variables): boolean {
  const equals = condition.indexOf('=')
  const value = variables[equals < 0 ? condition : condition.slice(0, equals)] || ''
  if (equals < 0) {
    return value !== ''
  }
  const wanted = condition.slice(equals + 1)
  return condition.indexOf(METHOD) === 0 ? wanted.split(' ').indexOf(value) >= 0 : value === wanted
}
