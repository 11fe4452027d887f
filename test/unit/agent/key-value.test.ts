/** Keys and values as other tools write them. */
import t from 'tap'
import { readKey } from '../../../agent/sources/etcd-keys/key-value.js'

const read = (key: string, value: string): string => {
  const result = readKey(key, value)
  if (!result.ok) {
    return result.reason
  }
  const { service, host, port, weight, isDown, isBackup, maxFails, failTimeoutMs, metadata } =
    result.instance
  const flags = [isDown ? 'down' : '', isBackup ? 'backup' : ''].filter(Boolean)
  const limits = maxFails === undefined ? [] : [`${maxFails}/${failTimeoutMs}`]
  const more = metadata.map((pair) => pair.join('='))
  return [`${service} ${host}:${port} ${weight}`, ...flags, ...limits, ...more].join(' ')
}

t.test('each form of a value is read', async (t) => {
  const rows: Array<[key: string, value: string, expected: string | RegExp]> = [
    ['web/1', '10.0.0.7:80', 'web 10.0.0.7:80 1'],
    ['web/1', ' 10.0.0.7:80\n', 'web 10.0.0.7:80 1'],
    ['web/1', 'http://10.0.0.7:80', 'web 10.0.0.7:80 1'],
    ['web/1', 'http://10.0.0.7:80/', 'web 10.0.0.7:80 1'],
    ['web/a/b', '[fd00::7]:80', 'web fd00::7:80 1'],
    ['web/10.0.0.7:80', '', 'web 10.0.0.7:80 1'],
    [
      'web/10.0.0.7:80',
      '{"weight":2,"max_fails":3,"fail_timeout":10,"down":0,"backup":1}',
      'web 10.0.0.7:80 2 backup 3/10000',
    ],
    ['web/1', '{"Addr":"10.0.0.7:80","Metadata":{"zone":"a"}}', 'web 10.0.0.7:80 1 zone=a'],
    ['web/1', '{"Op":0,"Addr":"10.0.0.7:80","Metadata":null}', 'web 10.0.0.7:80 1'],
    ['web/1', '{"host":"10.0.0.7","port":"80"}', 'web 10.0.0.7:80 1'],
    ['web/1', '{"address":"10.0.0.7","Port":80,"down":true}', 'web 10.0.0.7:80 1 down'],
    ['web/1', '{"host":"fd00::7","port":80}', 'web fd00::7:80 1'],
    ['web/1', '{"host":"10.0.0.7"}', /has no port/],
    ['web/1', '{"port":80}', /has no host, addr or address/],
    ['web/1', '{"addr":"10.0.0.7:80","down":"perhaps"}', /down must be true/],
    ['web/1', '{"addr":"10.0.0.7:80","weight":1.5}', /weight must be a whole number/],
    ['web/1', '{"addr":"10.0.0.7:80","max_fails":"x"}', /max_fails must be/],
    ['web/1', '{"addr":', /begins like JSON/],
    ['web/1', '10.0.0.7', /must be <ip>:<port>/],
    ['web/1', 'https://10.0.0.7:80', /must be <ip>:<port>/],
    ['web', '10.0.0.7:80', /is <service>\/<instance>/],
    ['web/', '10.0.0.7:80', /is <service>\/<instance>/],
  ]
  for (const [key, value, expected] of rows) {
    const text = read(key, value)
    if (typeof expected === 'string') {
      t.equal(text, expected, `${key} ${value}`)
    } else {
      t.match(text, expected, `${key} ${value}`)
    }
  }
})
