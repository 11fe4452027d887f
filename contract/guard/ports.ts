/** Sets of ports as people write them: `9100-9104 9106`. */

/** Each port of the text, which is known to be well-formed. */
export function portsIn(text: string): number[] {
  const ports: number[] = []
  text.split(' ').forEach((range) => {
    const ends = range.split('-').map(Number)
    const first = ends[0] as number
    const last = ends[1] === undefined ? first : ends[1]
    for (let port = first; range !== '' && port <= last; port++) {
      ports.push(port)
    }
  })
  return ports
}

/** Ascending ports → the text, with ranges where they follow each other. */
export function printPorts(ports: number[]): string {
  const ranges: string[] = []
  let first = 0
  ports.forEach((port, i) => {
    if (ports[i - 1] !== port - 1) {
      first = port
    }
    if (ports[i + 1] !== port + 1) {
      ranges.push(first === port ? String(port) : first + '-' + port)
    }
  })
  return ranges.join(' ')
}
