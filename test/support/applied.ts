/** Waits until a gateway has applied what was changed. */
import type { Controller } from '../../controller/controller.js'

/** Waits until all gateways of a controller have this revision. */
export async function applied(controller: Controller, revision: number): Promise<void> {
  await controller.whenKnown(revision, 30_000)
  const pending = await controller.whenApplied(revision, 30_000)
  if (pending.length > 0) {
    throw new Error(`pending: ${JSON.stringify(controller.gateways())}`)
  }
}
