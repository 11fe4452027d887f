/**
 * What is to be done when a request's VM ends: its counts are given back. A VM has one exit hook,
 * and the last one that is set wins, so there is one list for all. Under QuickJS a VM serves one
 * request after the other, each with an empty list.
 */
let releases: Array<() => void> = []

/** Gives back now what is counted so far. */
export function releaseAll(): void {
  const all = releases
  releases = []
  for (let i = 0; i < all.length; i++) {
    ;(all[i] as () => void)()
  }
}

/** `release` must not touch the request (njs 0.8.9 crashes), and must not throw. */
export function onExit(release: () => void): void {
  releases.push(release)
  njs.on('exit', releaseAll)
}
