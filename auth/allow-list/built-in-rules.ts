// The rules every cluster gets by itself, per kind of node: what the clients and phones are known to need and no more.
// Ports come from the cluster's configuration. Paths of Unified CM's user data services, of the files phones fetch,
// of SOAP on IM and Presence and of Unity Connection's REST.
import type { AllowRule, NodeKind } from './rule.ts';

export interface ServicePorts {
  /** HTTPS of Unified CM's and IM and Presence's web services. */
  readonly web: number;
  /** Clear HTTP for configuration files. */
  readonly files: number;
  /** HTTPS for configuration files. */
  readonly filesTls: number;
  /** HTTPS for headset templates. */
  readonly headset: number;
  /** HTTPS of Unity Connection. */
  readonly unity: readonly number[];
}

type Row = readonly [
  kind: NodeKind,
  protocol: 'http' | 'https',
  service: keyof ServicePorts,
  match: 'exact' | 'prefix',
  path: string,
  methods: string,
  shape?: RegExp,
];

/**
 * Names of files a client or phone loads: up to four folders (locales, ring lists), then a name with a known ending.
 * Letters, digits, `-`, `_`, dots inside, and the space; no name begins with a dot, so none climbs.
 */
export const fileShape =
  /^(?:\/[A-Za-z0-9_-](?:[A-Za-z0-9._-]|%20){0,127}){0,4}\/[A-Za-z0-9_-](?:[A-Za-z0-9._-]|%20){0,127}\.(?:xml|sgn|tlv|json|jar|jad|loads|sbn|sebn|sbin|bin|cop|raw|rwb|png|pem|properties|zz|zup|txt|lc)$/;

const rows: readonly Row[] = [
  ['unified-cm', 'https', 'web', 'exact', '/cucm-uds/version', 'GET'],
  ['unified-cm', 'https', 'web', 'exact', '/cucm-uds/servers', 'GET'],
  ['unified-cm', 'https', 'web', 'exact', '/cucm-uds/clusterUser', 'GET'],
  ['unified-cm', 'https', 'web', 'exact', '/cucm-uds/users', 'GET'],
  ['unified-cm', 'https', 'web', 'prefix', '/cucm-uds/options/', 'GET'],
  ['unified-cm', 'https', 'web', 'exact', '/cucm-uds/phoneService', 'GET'],
  ['unified-cm', 'https', 'web', 'exact', '/cucm-uds/phoneServices', 'GET'],
  ['unified-cm', 'https', 'web', 'prefix', '/cucm-uds/user/', 'GET PUT POST DELETE'],
  ['unified-cm', 'https', 'web', 'prefix', '/ssosp/', 'GET POST'],
  ['unified-cm', 'https', 'web', 'prefix', '/emservice/', 'GET POST'],
  ['tftp', 'http', 'files', 'prefix', '/', 'GET', fileShape],
  ['tftp', 'https', 'filesTls', 'prefix', '/', 'GET', fileShape],
  ['tftp', 'https', 'headset', 'prefix', '/', 'GET', fileShape],
  ['im-presence', 'https', 'web', 'prefix', '/EPASSoap/', 'POST'],
  ['unity', 'https', 'unity', 'prefix', '/vmrest/', 'GET POST PUT DELETE'],
];

const kindNames: Record<NodeKind, string> = {
  'unified-cm': 'Unified CM server',
  tftp: 'TFTP server',
  'im-presence': 'IM and Presence Service node',
  unity: 'Unity Connection server',
  web: 'web server',
};

/** The built-in rules for one cluster. */
export function builtInRules(cluster: string, deployment: string, ports: ServicePorts): AllowRule[] {
  return rows.flatMap(([kind, protocol, service, match, path, methods, shape]) =>
    [ports[service]].flat().map((port) => ({
      type: `Built-in rule for ${kindNames[kind]}`,
      protocol,
      host: { kind, cluster },
      port,
      path,
      match,
      methods: methods.split(' '),
      deployment,
      ...(shape === undefined ? {} : { shape }),
    })),
  );
}
