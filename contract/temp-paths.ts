/** Where an nginx keeps its temporary files, so that none lies in a folder of the system. */

const NAMES = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** Lines for `http{}`, as `proxy_temp_path "<folder>/proxy";`. */
export function tempPathLines(folder: string): string[] {
  return NAMES.map((name) => `${name}_temp_path "${folder}/${name}";`)
}
