/**
 * By default SIGUSR1 opens Node's inspector on loopback, where any user of the machine may run code
 * in this process. To other daemons it means no more than to open logs anew.
 */
process.on('SIGUSR1', () => undefined)
