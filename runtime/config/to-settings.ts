/** The values of the setting table → {@link Settings}, as the parts of Sluice read them. */
import type {
  ConsulSettings,
  EtcdKeysSettings,
  EtcdSettings,
  FileModeSettings,
  Settings,
} from './settings.js'
import type { SettingName, Values } from './setting-table.js'

/** The files that secrets stand in, as absolute paths. */
export type SecretFiles = ReadonlyMap<SettingName, string>

export function toSettings(values: Values, files: SecretFiles): Settings {
  const { tableSize, allowLoopback, home, bind } = values
  const { httpPort, httpsPort, passthrough, http3, streamPorts, certificates } = values
  const { apiPort, apiBind, apiToken, apiCertificate, apiKey } = values
  const { tunedPorts, proxyProtocolPorts, trustedProxies = [], rawPaths, tlsCiphers } = values
  const { accessLog } = values
  const { registry, cluster, docker, files: folder, zone, workers, user, nginx } = values
  const { compiled, lanes } = values
  const { mode, pool, engine, poolPort, logLevel, trustedCa } = values
  // Where only what is tagged is exposed, the agent makes a route for each tag.
  const domains = values.expose === 'tagged' ? [] : values.domain
  const local = registry === 'embedded' || registry.startsWith('unix:')
  return {
    ...{ home, bind, httpPort, httpsPort, passthrough, http3, streamPorts, certificates },
    ...{ tunedPorts, proxyProtocolPorts, trustedProxies, rawPaths, tlsCiphers, accessLog },
    ...{ apiPort, apiBind, apiToken },
    apiTls:
      apiCertificate === undefined || apiKey === undefined
        ? undefined
        : { certificate: apiCertificate, key: apiKey },
    ...{ registry, cluster, docker, files: folder, domains, zone },
    ...{ workers, user, nginx, mode, pool, engine, poolPort, logLevel, trustedCa },
    ...{ compiled, lanes },
    resolvers: values.resolvers ?? [],
    serviceDns: { addresses: values.dns ?? [], zone: values.dnsZone },
    knownForMs: values.knownFor,
    metricsUpstreams: values.metricsUpstreams,
    tableBytes: tableSize,
    ...{ maxBodyBytes: values.maxBody, connections: values.connections },
    ...{ grpcIdleMs: values.grpcIdle, tcpIdleMs: values.tcpIdle },
    allowLoopback: allowLoopback ?? local,
    apiTokenFile: files.get('apiToken'),
    etcd: etcdSettings(values, files),
    consul: consulSettings(values, files),
    etcdKeys: etcdKeysSettings(values, files),
    file: fileSettings(values),
    agent: agentSettings(values, files),
  }
}

function agentSettings(values: Values, files: SecretFiles): Settings['agent'] {
  return {
    id: values.agentId,
    address: values.agentAddress,
    networks: values.agentNetworks ?? [],
    labels: { hosts: values.labelHosts, upstreams: values.labelUpstreams },
    dialects: dialectSettings(values),
    ttlMs: values.agentTtl,
    token: values.agentToken,
    tokenFile: files.get('agentToken'),
  }
}

function dialectSettings(values: Values): Settings['agent']['dialects'] {
  const { labels: dialects, expose, domain, streamPorts, httpPort, httpsPort } = values
  const { registratorInternal, registratorExplicit, traefikEntrypoints, traefikExposed } = values
  return {
    ...{ dialects, streamPorts, httpPort, httpsPort },
    ...{ registratorInternal, registratorExplicit, traefikEntrypoints, traefikExposed },
    exposeDomains: expose === 'tagged' ? domain : [],
  }
}

function etcdSettings(values: Values, files: SecretFiles): EtcdSettings {
  return {
    username: values.etcdUsername,
    password: values.etcdPassword,
    passwordFile: files.get('etcdPassword'),
    ca: values.etcdCa,
    certificate: values.etcdCertificate,
    key: values.etcdKey,
  }
}

function consulSettings(values: Values, files: SecretFiles): ConsulSettings | undefined {
  const { consul: url } = values
  return url === undefined
    ? undefined
    : {
        url,
        token: values.consulToken,
        tokenFile: files.get('consulToken'),
        datacenter: values.consulDatacenter,
        tag: values.consulTag,
        isWarningServed: values.consulWarning,
        ca: values.consulCa,
      }
}

function etcdKeysSettings(values: Values, files: SecretFiles): EtcdKeysSettings | undefined {
  const { etcdKeys: url } = values
  const etcd = {
    username: values.etcdKeysUsername,
    password: values.etcdKeysPassword,
    passwordFile: files.get('etcdKeysPassword'),
    ca: values.etcdKeysCa,
    certificate: values.etcdKeysCertificate,
    key: values.etcdKeysKey,
  }
  return url === undefined ? undefined : { url, etcd }
}

function fileSettings(values: Values): FileModeSettings {
  return {
    directory: values.fileDirectory,
    listen: values.fileListen,
    reloadCommand: values.reloadCommand,
    pidFile: values.pidFile,
    access: {
      mode: values.fileMode,
      ...(values.fileOwner !== undefined && { uid: values.fileOwner }),
      ...(values.fileGroup !== undefined && { gid: values.fileGroup }),
    },
    minIntervalMs: values.minInterval,
    onetime: values.onetime,
  }
}
