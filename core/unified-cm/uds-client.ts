// Questions to Unified CM's user data services over HTTPS. One question to one node; which node, and what to do when
// it does not answer, is the cluster's business. Never throws: that a node cannot be asked is an answer.
import { type Credentials, printBasic } from '../../auth/index.ts';
import type { NodeService } from './node.ts';
import {
  type ClusterUser,
  readClusterUser,
  readDevices,
  readServers,
  readUser,
  readVersion,
  type UserRecord,
} from './uds-documents.ts';
import { XmlError } from './xml.ts';

/** How a question ended. `refused` is the node's own no (403); `unreachable` means that it gave no usable answer. */
export type UdsResult<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'bad-credentials' }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'refused'; readonly cause: string }
  | { readonly kind: 'unreachable'; readonly cause: string };

export interface FetchedDocument {
  readonly status: number;
  readonly body: string;
}

/**
 * Fetches a whole document with GET, bounded in time and size by its maker; rejects with an error whose text says
 * why in words.
 */
export type Fetch = (
  service: NodeService,
  target: string,
  headers: readonly (readonly [name: string, value: string])[],
) => Promise<FetchedDocument>;

export interface UdsClient {
  servers(service: NodeService): Promise<UdsResult<string[]>>;
  version(service: NodeService): Promise<UdsResult<string>>;
  clusterUser(service: NodeService, user: string): Promise<UdsResult<ClusterUser>>;
  /** The password check: only the user's own name and password open this resource. */
  devices(service: NodeService, credentials: Credentials): Promise<UdsResult<string[]>>;
  user(service: NodeService, credentials: Credentials): Promise<UdsResult<UserRecord>>;
  /** Any document of a node, as it comes; `path` begins with a slash. */
  document(
    service: NodeService,
    path: string,
    credentials: Credentials | undefined,
  ): Promise<UdsResult<string>>;
}

export function createUdsClient(fetch: Fetch): UdsClient {
  const get = async <T>(
    service: NodeService,
    target: string,
    read: (body: string) => T,
    credentials?: Credentials,
  ): Promise<UdsResult<T>> => {
    const headers =
      credentials === undefined ? [accept] : [accept, ['Authorization', printBasic(credentials)] as const];
    const where = `${service.node.name}:${service.port}`;
    try {
      const { status, body } = await fetch(service, target, headers);
      if (status === 200) return { kind: 'ok', value: read(body) };
      return refusal(status, where);
    } catch (error) {
      if (error instanceof XmlError)
        return { kind: 'unreachable', cause: `${where} answered with XML that ${error.message}` };
      return { kind: 'unreachable', cause: error instanceof Error ? error.message : String(error) };
    }
  };
  const uds = '/cucm-uds';
  return {
    servers: (service) => get(service, `${uds}/servers`, readServers),
    version: (service) => get(service, `${uds}/version`, readVersion),
    clusterUser: (service, user) =>
      get(service, `${uds}/clusterUser?username=${encodeURIComponent(user)}`, readClusterUser),
    devices: (service, credentials) =>
      get(service, `${uds}/user/${encodeURIComponent(credentials.user)}/devices`, readDevices, credentials),
    user: (service, credentials) =>
      get(service, `${uds}/user/${encodeURIComponent(credentials.user)}`, readUser, credentials),
    document: (service, path, credentials) => get(service, path, (body) => body, credentials),
  };
}

const accept = ['Accept', 'application/xml'] as const;

/** COMPAT(Unified CM 11-15): 401 is bad credentials; 403 a user without the end-user role; 404 an unknown resource. */
function refusal(status: number, where: string): Exclude<UdsResult<never>, { kind: 'ok' }> {
  if (status === 401) return { kind: 'bad-credentials' };
  if (status === 404) return { kind: 'not-found' };
  if (status === 403) {
    return {
      kind: 'refused',
      cause: `${where} refuses the user: the end-user role (Standard CCM End Users) may be missing`,
    };
  }
  return { kind: 'unreachable', cause: `${where} answered with status ${status}` };
}
