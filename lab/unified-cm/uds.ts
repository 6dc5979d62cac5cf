// User Data Services: the REST resources a client and core read at sign-in (mra-wire §10.1). Pure: a request
// value in, a response value out. User resources need Basic credentials and are self-only; version, servers,
// clusterUser and the directory are open, as on a node without contact-search authentication.
import { createElement, type Element } from 'ltx';
import { type BasicCredentials, parseBasic } from './basic-credentials.ts';
import { devicesOf, type Enterprise, findUser, findUserByEmail, type LabUser } from './enterprise.ts';

export interface UdsRequest {
  readonly method: string;
  /** Path and query as sent, e.g. `/cucm-uds/clusterUser?username=alice`. */
  readonly target: string;
  readonly authorization: string | undefined;
}

export interface UdsResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The node that answers: its name and the port in the addresses it hands out. */
export interface UdsNode {
  readonly host: string;
  readonly port: number;
  readonly filesPort: number;
  readonly secureFilesPort: number;
}

/** Answers one request to `/cucm-uds/…`. */
export function answerUds(enterprise: Enterprise, node: UdsNode, request: UdsRequest): UdsResponse {
  const url = URL.parse(request.target, 'https://node.invalid');
  if (url === null) return htmlError(400, 'Bad Request');
  const [root, resource, id, child, ...rest] = url.pathname.split('/').slice(1);
  if (root !== 'cucm-uds' || resource === undefined || rest.length > 1) return htmlError(404, 'Not Found');
  if (request.method !== 'GET') return htmlError(405, 'Method Not Allowed');
  const context: Context = { enterprise, node, base: `https://${node.host}:${node.port}/cucm-uds` };
  switch (resource) {
    case 'version':
      return xml(versionInformation(context));
    case 'servers':
      return xml(servers(context));
    case 'clusterUser':
      return xml(clusterUser(context, url.searchParams));
    case 'users':
      return xml(directory(context, url.searchParams));
    case 'user':
      return userResource(context, unescapeSegment(id ?? ''), child ?? '', request.authorization);
    default:
      return htmlError(404, 'Not Found');
  }
}

interface Context {
  readonly enterprise: Enterprise;
  readonly node: UdsNode;
  readonly base: string;
}

function userResource(
  context: Context,
  id: string,
  child: string,
  authorization: string | undefined,
): UdsResponse {
  const user = authenticate(context.enterprise, parseBasic(authorization));
  if (user === undefined) return unauthorized();
  if (findUser(context.enterprise, id) !== user) return htmlError(403, 'Forbidden');
  if (child === '') return xml(userElement(context, user));
  if (child === 'devices') return xml(devicesElement(context, user));
  if (child === 'extensions') return xml(extensionsElement(context, user));
  return htmlError(404, 'Not Found');
}

// A path segment that does not decode names nobody.
function unescapeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

function authenticate(enterprise: Enterprise, given: BasicCredentials | undefined): LabUser | undefined {
  if (given === undefined) return undefined;
  const user = findUser(enterprise, given.user);
  return user?.password === given.password ? user : undefined;
}

function versionInformation({ enterprise, base }: Context): Element {
  return createElement(
    'versionInformation',
    { uri: `${base}/version`, version: enterprise.version },
    leaf('version', enterprise.version),
    createElement('capabilities', {}, leaf('usersResourceAuthEnabled', 'false')),
  );
}

function servers({ enterprise, base }: Context): Element {
  const names = enterprise.nodes.map((node) => leaf('server', node.name));
  return createElement('servers', { uri: `${base}/servers`, version: enterprise.version }, ...names);
}

function clusterUser({ enterprise, node, base }: Context, query: URLSearchParams): Element {
  const user =
    findUser(enterprise, query.get('username') ?? '') ??
    findUserByEmail(enterprise, query.get('email') ?? '');
  const attributes = { uri: `${base}/clusterUser`, version: enterprise.version };
  if (user === undefined) {
    return createElement('clusterUser', attributes, createElement('result', { found: 'false' }));
  }
  const uri = `${base}/user/${encodeURIComponent(user.id)}`;
  return createElement(
    'clusterUser',
    attributes,
    createElement('result', { found: 'true', uri, version: enterprise.version }),
    createElement('homeCluster', { serversUri: `${base}/servers` }, node.host),
    createElement(
      'homeClusterDetails',
      {},
      leaf('selfProvisioningSecureMode', 'false'),
      leaf('adminProvisionMode', 'false'),
    ),
  );
}

function userElement(context: Context, user: LabUser): Element {
  const { node, enterprise } = context;
  const uri = userUri(context, user);
  const children = ['devices', 'credentials', 'extensions', 'subscribedServices', 'speedDials'];
  return createElement(
    'user',
    { uri, version: enterprise.version },
    leaf('id', user.id),
    leaf('userName', user.id),
    leaf('firstName', user.firstName),
    leaf('lastName', user.lastName),
    leaf('displayName', `${user.firstName} ${user.lastName}`),
    leaf('email', user.email),
    leaf('phoneNumber', devicesOf(enterprise, user.id)[0]?.directoryNumber ?? ''),
    createElement('accountType', { useLdapAuth: 'false' }, 'local'),
    createElement('homeCluster', { enableImAndPresence: 'false', enableCalendarPresence: 'false' }, 'true'),
    createElement(
      'serviceProfile',
      {},
      leaf('uri', `http://${node.host}:${node.filesPort}/SPDefault.cnf.xml`),
    ),
    createElement(
      'jabberProfile',
      {},
      leaf('uri', `https://${node.host}:${node.secureFilesPort}/jabber-config.xml`),
    ),
    ...children.map((name) => createElement(name, { uri: `${uri}/${name}` })),
  );
}

function devicesElement(context: Context, user: LabUser): Element {
  const uri = `${userUri(context, user)}/devices`;
  const rows = devicesOf(context.enterprise, user.id).map((device) =>
    createElement(
      'device',
      { uri: `${uri}/${device.name}`, version: context.enterprise.version, hasPrimaryNumber: 'true' },
      leaf('id', device.name),
      leaf('name', device.name),
      leaf('type', 'Phone'),
      leaf('model', device.model),
      createElement('description', { editable: 'true' }, device.description),
      leaf('protocol', 'SIP'),
    ),
  );
  return createElement('devices', { uri, version: context.enterprise.version }, ...rows);
}

function extensionsElement(context: Context, user: LabUser): Element {
  const uri = `${userUri(context, user)}/extensions`;
  const rows = devicesOf(context.enterprise, user.id).map((device) =>
    createElement(
      'extension',
      { uri: `${uri}/${device.directoryNumber}` },
      leaf('directoryNumber', device.directoryNumber),
      leaf('description', device.displayName),
    ),
  );
  return createElement('extensions', { uri, version: context.enterprise.version }, ...rows);
}

function directory(context: Context, query: URLSearchParams): Element {
  const { enterprise, base } = context;
  const wanted = (key: string): string => (query.get(key) ?? '').toLowerCase();
  const found = enterprise.users.filter(
    (user) =>
      user.lastName.toLowerCase().startsWith(wanted('last')) &&
      user.firstName.toLowerCase().startsWith(wanted('first')) &&
      user.id.toLowerCase().startsWith(wanted('username')),
  );
  const count = String(found.length);
  const attributes = { uri: `${base}/users`, version: enterprise.version };
  const counted = {
    ...attributes,
    start: '0',
    requestedCount: '64',
    returnedCount: count,
    totalCount: count,
  };
  return createElement('users', counted, ...found.map((user) => directoryEntry(context, user)));
}

function directoryEntry(context: Context, user: LabUser): Element {
  return createElement(
    'user',
    { uri: userUri(context, user) },
    leaf('id', user.id),
    leaf('userName', user.id),
    leaf('firstName', user.firstName),
    leaf('lastName', user.lastName),
    leaf('phoneNumber', devicesOf(context.enterprise, user.id)[0]?.directoryNumber ?? ''),
    leaf('email', user.email),
  );
}

function userUri({ base }: Context, user: LabUser): string {
  return `${base}/user/${encodeURIComponent(user.id)}`;
}

function leaf(name: string, text: string): Element {
  return createElement(name, {}, text);
}

function xml(root: Element): UdsResponse {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/xml;charset=UTF-8', 'Cache-Control': 'no-store' },
    body: `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>${root.toString()}`,
  };
}

function unauthorized(): UdsResponse {
  const answer = htmlError(401, 'Unauthorized');
  const challenge = { 'WWW-Authenticate': 'Basic realm="Cisco Web Services Realm"' };
  return { ...answer, headers: { ...answer.headers, ...challenge } };
}

function htmlError(status: number, text: string): UdsResponse {
  return {
    status,
    headers: { 'Content-Type': 'text/html;charset=utf-8' },
    body: `<html><head><title>${text}</title></head><body><h1>HTTP Status ${status} - ${text}</h1></body></html>`,
  };
}
