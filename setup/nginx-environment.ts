/**
 * The environment that nginx is run in: nothing but what a program needs to be loaded. Secrets of
 * Sluice would be readable in its processes, and `NGINX` would be taken for open sockets.
 */

const PASSED = /^(PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_\w+|MALLOC_\w+|OPENSSL_\w+|SSL_CERT_\w+)$/

export function nginxEnvironment(environment = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => PASSED.test(name)))
}
