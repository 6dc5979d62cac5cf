// What a client reads out of get_edge_config (mra-wire §1.5) and get_edge_sso (§1.9). A client trusts the edge it
// has verified by TLS, so this only checks that what it needs is there.
import { type Element, parse } from 'ltx';

export interface EdgeServer {
  readonly address: string;
  readonly tlsPort: number;
}

export interface EdgeConfig {
  readonly sip: readonly EdgeServer[];
  readonly https: readonly EdgeServer[];
  readonly xmpp: readonly EdgeServer[];
  /** Value of the `Route` header that every request outside a dialog carries. */
  readonly sipRoute: string;
  /** Servers of a requested service; empty when the edge answered NameError. */
  readonly services: ReadonlyMap<string, readonly { address: string; port: number }[]>;
  readonly tftp: readonly string[];
  readonly userUds: string;
}

export class EdgeConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EdgeConfigError';
  }
}

/** Reads a getEdgeConfigResponse. Throws EdgeConfigError. */
export function parseEdgeConfig(text: string): EdgeConfig {
  const root = parseRoot(text, 'getEdgeConfigResponse');
  const services = root.getChild('serviceConfig')?.getChildren('service') ?? [];
  const edge = root.getChild('edgeConfig');
  const sipRoute = edge?.getChild('sipRequest')?.getChildText('route')?.trim() ?? '';
  const userUds = edge?.getChild('userUdsServer')?.getChild('server')?.getChildText('address')?.trim() ?? '';
  if (userUds === '') throw new EdgeConfigError("XML didn't contain UDS server address");
  if (sipRoute === '') throw new EdgeConfigError("XML didn't contain a SIP route");
  return {
    sip: edgeServers(edge, 'sipEdgeServer'),
    https: edgeServers(edge, 'httpEdgeServer'),
    xmpp: edgeServers(edge, 'xmppEdgeServer'),
    sipRoute,
    services: new Map(
      services.map((service) => [service.getChildText('name') ?? '', serviceServers(service)]),
    ),
    tftp: tftpAddresses(services),
    userUds,
  };
}

/** What get_edge_sso says: whether single sign-on or tokens are offered. Neither: ask for name and password. */
export interface SignInOffer {
  readonly singleSignOn: boolean;
  readonly token: boolean;
}

/** Reads an SSOResult. Throws EdgeConfigError. */
export function parseSignInOffer(text: string): SignInOffer {
  const offer = parseRoot(text, 'SSOResult').getChild('Response')?.getChild('SingleSignOn');
  const enabled = (name: string): boolean => offer?.getChild(name)?.attrs['enabled'] === 'true';
  return { singleSignOn: enabled('Status'), token: enabled('Token') };
}

function parseRoot(text: string, name: string): Element {
  let root: Element;
  try {
    root = parse(text.replace(/^<\?xml[^>]*\?>\s*/, ''));
  } catch (error) {
    throw new EdgeConfigError('the answer is not well-formed XML', { cause: error });
  }
  if (root.name !== name) throw new EdgeConfigError(`expected ${name}, got ${root.name}`);
  return root;
}

function edgeServers(edge: Element | undefined, name: string): EdgeServer[] {
  const rows = edge?.getChild(name)?.getChildren('server') ?? [];
  return rows.map((server) => ({
    address: server.getChildText('address')?.trim() ?? '',
    tlsPort: Number(server.getChildText('tlsPort')),
  }));
}

function serviceServers(service: Element): { address: string; port: number }[] {
  return service.getChildren('server').map((server) => ({
    address: server.getChildText('address')?.trim() ?? '',
    port: Number(server.getChildText('port')),
  }));
}

function tftpAddresses(services: readonly Element[]): string[] {
  const tftp = services.find((service) => service.getChildText('name') === 'tftpServer');
  const addresses = tftp?.getChildren('address').map((address) => address.getText().trim()) ?? [];
  return addresses.filter((address) => address !== '');
}
