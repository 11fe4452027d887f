/** Lines as they stand in a block of nginx's configuration. */

export function indented(lines: string[], by = '    '): string {
  return lines.map((line) => `${by}${line}`).join('\n')
}
