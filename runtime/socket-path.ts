/** How long the path of a unix socket may be. */

/** Bytes that Linux allows for a socket's path, its closing zero left out. */
export const LONGEST_SOCKET_PATH = 107
