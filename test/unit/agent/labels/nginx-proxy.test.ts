/** nginx-proxy's grammar, as its documentation has it, row by row. */
import { checkTable } from './dialect-table.js'

const LABEL = 'com.github.nginx-proxy.nginx-proxy.loadbalance'
const foo = 'VIRTUAL_HOST=foo.bar.com'
const balanced = (label: string) => ({ env: [foo], labels: { [LABEL]: label } })
const want = ['foo-bar-com 80 foo.bar.com/']
const unmapped = /of nginx-proxy's labels Sluice does not do/

checkTable('nginx-proxy', [
  { name: 'nothing', asked: false },
  { name: 'a host', env: [foo], want },
  { name: 'an empty host', env: ['VIRTUAL_HOST='], asked: false },
  {
    name: 'several hosts',
    env: ['VIRTUAL_HOST=foo.bar.com,baz.bar.com, bar.com'],
    want: ['foo-bar-com 80 foo.bar.com/', 'baz-bar-com 80 baz.bar.com/', 'bar-com 80 bar.com/'],
  },
  {
    name: 'wildcards at both ends',
    env: ['VIRTUAL_HOST=*.bar.com,foo.bar.*'],
    want: ['any-bar-com 80 *.bar.com/', 'foo-bar-any 80 foo.bar.*/'],
  },
  {
    name: 'a regular expression is refused, and the other host is not',
    env: ['VIRTUAL_HOST=~^foo\\.bar\\..*\\.nip\\.io,foo.bar.com'],
    want,
    refused: [/VIRTUAL_HOST: "~\^foo.*" is a regular expression/],
  },
  {
    name: 'what is no host',
    env: ['VIRTUAL_HOST=a b;{}'],
    refused: [/"a b;\{\}" is no host name/],
  },
  {
    name: 'the only exposed port',
    env: [foo],
    rest: { tcpPorts: [8080] },
    want: [want[0]?.replace('80', '8080') ?? ''],
  },
  { name: 'several exposed ports', env: [foo], rest: { tcpPorts: [443, 8080] }, want },
  { name: 'none exposed', env: [foo], rest: { tcpPorts: [] }, want },
  {
    name: 'VIRTUAL_PORT',
    env: [foo, 'VIRTUAL_PORT=8000'],
    rest: { tcpPorts: [80, 8000] },
    want: ['foo-bar-com 8000 foo.bar.com/'],
  },
  {
    name: 'a port that is none',
    env: [foo, 'VIRTUAL_PORT=80,81'],
    refused: [/its port is none/],
  },
  {
    name: 'a path with a slash at its end',
    env: [foo, 'VIRTUAL_PATH=/app1/'],
    want: ['foo-bar-com-app1 80 foo.bar.com/app1'],
  },
  {
    name: 'a path without one matches more there',
    env: [foo, 'VIRTUAL_PATH=/api/v2/service'],
    want: ['foo-bar-com-api-v2-service 80 foo.bar.com/api/v2/service'],
    warnings: [/there also \/api\/v2\/service-x, here whole segments/],
  },
  {
    name: 'a path by regular expression',
    env: [foo, 'VIRTUAL_PATH=~^/(app1|alternative1)/'],
    refused: [/is a regular expression/],
  },
  {
    name: 'VIRTUAL_DEST takes the path off',
    env: [foo, 'VIRTUAL_PATH=/app1/', 'VIRTUAL_DEST=/'],
    want: ['foo-bar-com-app1 80 foo.bar.com/app1'],
    route: { rewrite: { stripPrefix: true } },
  },
  {
    name: 'VIRTUAL_DEST in place of the path',
    env: [foo, 'VIRTUAL_PATH=/app1/', 'VIRTUAL_DEST=/x/'],
    want: ['foo-bar-com-app1 80 foo.bar.com/app1'],
    route: { rewrite: { replacePrefix: '/x' } },
  },
  {
    name: 'https, unverified as there',
    env: [foo, 'VIRTUAL_PROTO=https', 'VIRTUAL_PORT=443'],
    want: ['foo-bar-com 443 foo.bar.com/'],
    upstream: { tls: { verify: false } },
  },
  { name: 'grpc', env: [foo, 'VIRTUAL_PROTO=grpc'], want, upstream: { protocol: 'grpc' } },
  {
    name: 'grpcs',
    env: [foo, 'VIRTUAL_PROTO=grpcs'],
    want,
    upstream: { protocol: 'grpc', tls: { verify: false } },
  },
  { name: 'uwsgi', env: [foo, 'VIRTUAL_PROTO=uwsgi'], refused: [/VIRTUAL_PROTO "uwsgi" must be/] },
  { name: 'fastcgi', env: [foo, 'VIRTUAL_PROTO=fastcgi'], refused: [/"fastcgi" must be one of/] },
  {
    name: 'several ports by hosts, in YAML',
    env: [
      'VIRTUAL_HOST_MULTIPORTS=www.example.org:\nservice1.example.org:\n  "/":\n    port: 8000\n',
    ],
    want: [
      'www-example-org 80 www.example.org/',
      'service1-example-org 8000 service1.example.org/',
    ],
  },
  {
    name: 'several ports by paths, in JSON, over all else',
    env: [
      foo,
      'VIRTUAL_HOST_MULTIPORTS={"www.example.org": {"/": {}, "/service1/": {"port": 8000, "dest": "/"}}}',
    ],
    want: [
      'www-example-org 80 www.example.org/',
      'www-example-org-service1 8000 www.example.org/service1',
    ],
  },
  {
    name: 'YAML that is none',
    env: ['VIRTUAL_HOST_MULTIPORTS={a: ['],
    refused: [/VIRTUAL_HOST_MULTIPORTS must be a map of host names/],
  },
  {
    name: 'YAML whose aliases grow',
    env: ['VIRTUAL_HOST_MULTIPORTS=a: &a {b: 1}\nc: *a\n'],
    refused: [/must be a map/],
  },
  {
    name: 'internal access is refused, as it would be open here',
    env: [foo, 'NETWORK_ACCESS=internal'],
    refused: [/NETWORK_ACCESS=internal/],
  },
  { name: 'HTTPS_METHOD=noredirect', env: [foo, 'HTTPS_METHOD=noredirect'], want },
  {
    name: 'other methods and settings of TLS are named in one warning',
    env: [foo, 'HTTPS_METHOD=nohttp', 'CERT_NAME=shared', 'HSTS=off', 'LETSENCRYPT_HOST=a.b'],
    want,
    warnings: [/HTTPS_METHOD=nohttp.*CERT_NAME; HSTS; LETSENCRYPT_HOST$/],
  },
  {
    name: 'least_conn',
    ...balanced('least_conn;'),
    want,
    upstream: { policy: { balance: 'leastConn' } },
  },
  { name: 'ip_hash', ...balanced('ip_hash;'), want, upstream: { policy: { balance: 'ipHash' } } },
  {
    name: 'random two',
    ...balanced('random two least_conn;'),
    want,
    upstream: { policy: { balance: 'randomTwo' } },
  },
  {
    name: 'hash',
    ...balanced('hash $remote_addr;'),
    want,
    upstream: { policy: { balance: 'hash', hash: { key: 'address' } } },
  },
  {
    name: 'hash by what Sluice does not know, or more than a balance',
    ...balanced('hash $host; keepalive 2;'),
    want,
    warnings: [unmapped],
  },
])
