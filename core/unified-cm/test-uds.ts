// A cluster in the memory of a test: what its nodes answer to core's questions, and which of them are silent. Answers at
// the level of `Fetch`, so that discovery can be stepped through without sockets. Not part of the product.
import { ManualClock } from '../../zones/test-clock.ts';
import type { ClusterOptions } from './cluster.ts';
import type { FetchedDocument } from './uds-client.ts';
import { createUnifiedCm, type UnifiedCm } from './unified-cm.ts';

export interface TestUds {
  readonly clock: ManualClock;
  readonly unifiedCm: UnifiedCm;
  /** Node → users and their passwords. */
  readonly users: Map<string, string>;
  /** What `/cucm-uds/servers` answers. */
  servers: string[];
  /** Nodes that do not answer. */
  readonly silent: Set<string>;
  /** Names DNS does not know. */
  readonly unresolved: Set<string>;
  /** Name → addresses, where they are not 10.0.0.1. */
  readonly addresses: Map<string, string[]>;
  /** Answers that replace the usual ones, by resource. */
  readonly instead: Map<string, FetchedDocument>;
  /** `node resource` of every question. */
  readonly asked: string[];
  /** Called at each question. */
  onAsked: () => void;
  /** Lets everything that needs no timer happen. */
  settle(): Promise<void>;
}

export const clusterDefaults: ClusterOptions = {
  name: 'c1',
  deployment: 'd',
  publisher: 'ucm1.example.com',
  trust: undefined,
  ports: { web: 8443, files: 6970, filesTls: 6972, headset: 6971, unity: [443] },
  sip: { tcpPort: 5060, tlsPort: undefined, oauthPort: undefined },
  tftp: [],
  staticNodes: [],
  refreshMs: 300_000,
  retryMs: 5000,
  maxTries: 3,
};

export function startTestUds(...clusters: Partial<ClusterOptions>[]): TestUds {
  const clock = new ManualClock();
  const nothing = (): void => undefined;
  const uds: TestUds = {
    clock,
    users: new Map([['alice', 'wonderland']]),
    servers: ['ucm1.example.com', 'ucm2.example.com'],
    silent: new Set(),
    unresolved: new Set(),
    addresses: new Map(),
    instead: new Map(),
    asked: [],
    onAsked: nothing,
    settle: async () => {
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    },
    unifiedCm: createUnifiedCm({
      clusters: (clusters.length === 0 ? [{}] : clusters).map((change) => ({
        ...clusterDefaults,
        ...change,
      })),
      rules: [],
      directories: new Map(),
      clock,
      log: { info: nothing, warn: nothing },
      count: nothing,
      resolve: async (host) => {
        if (uds.unresolved.has(host)) throw Object.assign(new Error(host), { code: 'ENOTFOUND' });
        return uds.addresses.get(host) ?? ['10.0.0.1'];
      },
      fetch: async (service, target, headers) => {
        const resource = target.replace('/cucm-uds/', '');
        uds.asked.push(`${service.node.name} ${resource}`);
        uds.onAsked();
        if (uds.silent.has(service.node.name)) throw new Error(`${service.node.name} is silent`);
        return uds.instead.get(resource) ?? answer(uds, service.node.name, resource, headers);
      },
    }),
  };
  return uds;
}

function answer(
  uds: TestUds,
  node: string,
  resource: string,
  headers: readonly (readonly [string, string])[],
): FetchedDocument {
  if (resource === 'servers')
    return ok(`<servers>${uds.servers.map((name) => `<server>${name}</server>`).join('')}</servers>`);
  if (resource === 'version') return ok('<versionInformation><version>14</version></versionInformation>');
  const asked = /^clusterUser\?username=(.*)$/.exec(resource)?.[1];
  if (asked !== undefined) {
    const found = uds.users.has(asked.toLowerCase());
    const home = found ? `<homeCluster>${node}</homeCluster>` : '';
    return ok(`<clusterUser><result found="${found}"/>${home}</clusterUser>`);
  }
  const user = /^user\/([^/]*)\/devices$/.exec(resource)?.[1] ?? '';
  const basic = headers.find(([name]) => name === 'Authorization')?.[1];
  const expected = Buffer.from(`${user}:${uds.users.get(user.toLowerCase())}`).toString('base64');
  return basic === `Basic ${expected}` ? ok('<devices/>') : { status: 401, body: '<html/>' };
}

function ok(body: string): FetchedDocument {
  return { status: 200, body };
}
