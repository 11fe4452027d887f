/**
 * Seats: each is an upstream{} of stream{} that holds one peer of one upstream, and behind it a
 * server that sends a refused connection to another peer. So that peer need not be asked first.
 */

/** How many there are. Each takes a connection of each worker, and one more of the first. */
export const SEATS = 32
/** A worker with fewer connections has none to spare for them. */
export const CONNECTIONS_FOR_SEATS = 1024

/**
 * What stands before a seat's number in the name of its unit of the table, `@seat*17`. Its record
 * is the unit and the SID of whom it is for: `:db <sid>`.
 */
export const SEAT_PREFIX = 'seat*'

/**
 * `r17.seat`: the name of its upstream{}. nginx compares names one by one, so they begin with
 * different letters. No address begins with a letter.
 */
export function seatName(seat: number): string {
  return String.fromCharCode(97 + (seat % 26)) + seat + '.seat'
}

/** In the answer to the question whether a peer takes connections: the address that does. */
export const CONNECTED_HEADER = 'X-Sluice-Connected'
