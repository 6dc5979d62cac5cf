// The HTTP doors of one node: UDS over HTTPS on 8443, configuration files over HTTP on 6970 and HTTPS on 6972.
// Node's own servers; the callers are trusted enough here, since the lab listens on loopback or in a namespace.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { renderConfigFile } from './config-files.ts';
import { type CallControlNode, type Enterprise, findUser, type NodePorts } from './enterprise.ts';
import { printBasic } from './basic-credentials.ts';
import { answerOauth } from './oauth-service.ts';
import type { TokenIssuer } from './token-issuer.ts';
import { answerUds, type UdsNode, type UdsResponse } from './uds.ts';

export interface WebServicesOptions {
  readonly enterprise: Enterprise;
  readonly node: CallControlNode;
  readonly ports: NodePorts;
  /** Tokens of the cluster, one issuer for all its nodes; without it there is no OAuth. */
  readonly issuer?: TokenIssuer;
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
    const { authorization } = request.headers;
    const { issuer } = options;
    const service = issuer !== undefined && target.startsWith('/ssosp/') ? 'oauth' : 'uds';
    const reply = (answer: UdsResponse): void => {
      response.writeHead(answer.status, answer.headers).end(answer.body);
      options.onRequest?.({ service, method, target, status: answer.status });
    };
    if (issuer === undefined || service === 'uds') {
      request.resume();
      const known = credentialsOf(options, authorization);
      return reply(answerUds(options.enterprise, node, { method, target, authorization: known }));
    }
    readBody(request)
      .then((body) => {
        const asked = { method, target, authorization, body };
        return answerOauth(options.enterprise, issuer, `https://${node.host}:${node.port}`, asked);
      })
      .then(reply, () => response.destroy());
  };
}

/** A token stands for its user: UDS takes Bearer where it takes Basic (mra-wire §10.1). */
function credentialsOf(
  { enterprise, issuer }: WebServicesOptions,
  given: string | undefined,
): string | undefined {
  const token = /^Bearer (\S+)$/i.exec(given ?? '')?.[1];
  if (token === undefined) return given;
  const user = findUser(enterprise, issuer?.userOf(token) ?? '');
  return user === undefined ? undefined : printBasic(user.id, user.password);
}

const maxBodyLength = 65_536;

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > maxBodyLength) throw new Error('the body is too long');
  }
  return body;
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
