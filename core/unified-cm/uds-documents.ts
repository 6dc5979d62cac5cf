// What Unified CM's user data services answer (UDS API, resources version, servers, clusterUser, user), as values.
// Reads only what is used; every element may be missing, and a missing one is undefined, not an error.
import { isIP } from 'node:net';
import { childOf, childrenOf, parseXml, XmlError, type XmlElement } from './xml.ts';

export interface ClusterUser {
  readonly found: boolean;
  /** Host name of a node of the user's home cluster; undefined when no cluster calls itself that. */
  readonly homeHost: string | undefined;
}

export interface UserRecord {
  readonly id: string;
  readonly displayName: string | undefined;
  readonly homeCluster: boolean;
}

/** Node names from `<servers>`; folded, without repetition and without what is no host name or address. */
export function readServers(text: string): string[] {
  const root = rootOf(text, 'servers');
  const names = childrenOf(root, 'server').map((server) => server.text.toLowerCase());
  return [...new Set(names.filter(isHost))].slice(0, maxServers);
}

/** Version of the cluster from `<versionInformation>`. */
export function readVersion(text: string): string {
  const root = rootOf(text, 'versionInformation');
  return childOf(root, 'version')?.text ?? root.attributes['version'] ?? '';
}

export function readClusterUser(text: string): ClusterUser {
  const root = rootOf(text, 'clusterUser');
  const found = childOf(root, 'result')?.attributes['found'] === 'true';
  const home = childOf(root, 'homeCluster')?.text.toLowerCase();
  return { found, homeHost: home === '' ? undefined : home };
}

export function readUser(text: string): UserRecord {
  const root = rootOf(text, 'user');
  const id = childOf(root, 'id')?.text ?? childOf(root, 'userName')?.text ?? '';
  const homeCluster = childOf(root, 'homeCluster')?.text === 'true';
  return { id, displayName: childOf(root, 'displayName')?.text, homeCluster };
}

/** Device names from `<devices>`. */
export function readDevices(text: string): string[] {
  const devices = childrenOf(rootOf(text, 'devices'), 'device');
  return devices.map((device) => childOf(device, 'name')?.text ?? '').filter((name) => name !== '');
}

/** They end up in DNS questions, Host lines and log lines. */
function isHost(name: string): boolean {
  return (
    isIP(name) !== 0 ||
    (name.length <= 253 &&
      /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(name))
  );
}

/** More nodes than any cluster has (21 in the largest). */
const maxServers = 64;

function rootOf(text: string, name: string): XmlElement {
  const root = parseXml(text);
  if (root.name !== name) throw new XmlError(`is not a <${name}> document`);
  return root;
}
