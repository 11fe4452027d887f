/**
 * What this request holds of the counts, given back when its VM ends. A VM has one exit hook and
 * the last one wins, so there is one for all. Under QuickJS a VM serves one request after the
 * other; the list is empty again when it does.
 */
let releases: Array<() => void> = []

function releaseAll(): void {
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
