/** `split_clients` into shares of the same size. */
export function splitClients(
  variable: string,
  source: string,
  shares: number,
  digits = 1,
  prefix = '',
): string {
  const percent = `${100 / shares}%`
  const print = (i: number): string => prefix + String(i).padStart(digits, '0')
  const lines = Array.from({ length: shares - 1 }, (_, i) => `${percent} ${print(i)};`)
  const rows: string[] = []
  for (let i = 0; i < lines.length; i += 10) {
    rows.push(`    ${lines.slice(i, i + 10).join(' ')}`)
  }
  return `split_clients "${source}" ${variable} {\n${rows.join('\n')}\n    * ${print(shares - 1)};\n}`
}
