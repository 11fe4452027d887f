/** The check by TCP: whether a connection is accepted. */
import { connect } from 'node:net'
import { attempt } from './attempt.js'
import type { Check } from './attempt.js'

/** Passes when the instance accepts a connection; nothing is sent, so it is without TLS. */
export const checkTcp: Check = (address, policy, signal) =>
  attempt(policy.timeoutMs, signal, ({ pass, failBy }) => {
    const socket = connect({ ...address, noDelay: true })
    socket.once('connect', pass)
    // Stays: an error that comes while the socket is destroyed would else end the process.
    socket.on('error', failBy)
    return () => socket.destroy()
  })
