/** nginx's own variables about an upstream list a value for each try. */

/** Behind each other for tries inside one nginx; the last one answered. */
export function lastOf(list: string | undefined): string {
  const text = list === undefined ? '' : list
  const parts = text.split(/, | : /)
  return parts[parts.length - 1] as string
}
