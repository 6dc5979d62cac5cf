// The HTTP doors of one node: UDS over HTTPS on 8443, configuration files over HTTP on 6970 and HTTPS on 6972.
// Node's own servers; the callers are trusted enough here, since the lab listens on loopback or in a namespace.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { renderConfigFile } from './config-files.ts';
import { type CallControlNode, type Enterprise, type NodePorts } from './enterprise.ts';
import { answerUds, type UdsNode } from './uds.ts';

export interface WebServicesOptions {
  readonly enterprise: Enterprise;
  readonly node: CallControlNode;
  readonly ports: NodePorts;
  /** PEM of the node's certificate chain and private key. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** Called once per answered request, e.g. to log it. */
  readonly onRequest?: (line: { service: string; method: string; target: string; status: number }) => void;
}

/** The ports that were bound; they differ from the wanted ones only where 0 was asked for. */
export interface WebServices {
  readonly bound: { readonly uds: number; readonly files: number; readonly secureFiles: number };
  close(): Promise<void>;
}

/** Opens the three doors; rejects with the listen error of the first that cannot be opened. */
export async function startWebServices(options: WebServicesOptions): Promise<WebServices> {
  const { ports, node, certificate } = options;
  const servers: Server[] = [];
  const open = async (server: Server, port: number): Promise<number> => {
    servers.push(server);
    return listen(server, port, node.address);
  };
  const tls = { cert: certificate.chain, key: certificate.key };
  const files = fileListener(options);
  try {
    const filesPort = await open(createServer(files), ports.files);
    const secureFilesPort = await open(createSecureServer(tls, files), ports.secureFiles);
    const uds: UdsNode = { host: node.name, port: ports.uds, filesPort, secureFilesPort };
    const udsServer = createSecureServer(tls);
    const udsPort = await open(udsServer, ports.uds);
    udsServer.on('request', udsListener(options, { ...uds, port: udsPort }));
    return {
      bound: { uds: udsPort, files: filesPort, secureFiles: secureFilesPort },
      close: () => closeAll(servers),
    };
  } catch (error) {
    await closeAll(servers);
    throw error;
  }
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function udsListener(options: WebServicesOptions, node: UdsNode): Listener {
  return (request, response) => {
    const target = request.url ?? '/';
    const method = request.method ?? '';
    const authorization = request.headers.authorization;
    const answer = answerUds(options.enterprise, node, { method, target, authorization });
    request.resume();
    response.writeHead(answer.status, answer.headers).end(answer.body);
    options.onRequest?.({ service: 'uds', method, target, status: answer.status });
  };
}

function fileListener(options: WebServicesOptions): Listener {
  const { sip, secureSip } = options.ports;
  const ports = { sip: sip === 'off' ? 5060 : sip, secureSip: secureSip === 'off' ? 5061 : secureSip };
  return (request, response) => {
    const target = request.url ?? '/';
    const method = request.method ?? '';
    const body = method === 'GET' ? renderConfigFile(options.enterprise, ports, target.slice(1)) : undefined;
    const status = body === undefined ? 404 : 200;
    request.resume();
    response.writeHead(status, { 'Content-Type': body === undefined ? 'text/html' : 'text/xml' });
    response.end(body ?? '<html><body>404 Not Found</body></html>');
    options.onRequest?.({ service: 'files', method, target, status });
  };
}

async function listen(server: Server, port: number, address: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve());
  });
  server.removeAllListeners('error');
  // A door that fails later (no descriptors left) must not take the whole node with it.
  server.on('error', () => {});
  return (server.address() as AddressInfo).port;
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    }),
  );
}
