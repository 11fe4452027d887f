import { attempt } from './attempt.js'
import type { Check } from './attempt.js'
import { open } from './connect.js'

/** Passes when the instance accepts a connection; nothing is sent. */
export const checkTcp: Check = (address, policy, signal) =>
  attempt(policy.timeoutMs, signal, ({ pass, failBy }) => {
    const socket = open(address)
    socket.once('connect', pass)
    // Stays: an error that comes while the socket is destroyed would else end the process.
    socket.on('error', failBy)
    return () => socket.destroy()
  })
