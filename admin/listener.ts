// The operator's window: /health, /status, /metrics and one page that shows the status. Loopback only, plain HTTP:
// whoever may open it is already on the machine. Host is checked, so that a page in the operator's browser cannot reach
// it through DNS rebinding. What changes state lets somebody in again whom intrusion protection shut out, or ends
// tokens, and asks for a header that a page of another origin cannot send.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import { statusPage } from './status-page.ts';
import { type AccessDesk, answerAccess } from './access-desk.ts';
import { answerTokens, type TokenDesk } from './token-desk.ts';

export interface AdminOptions {
  readonly address: string;
  readonly port: number;
  readonly title: string;
  readonly metrics: Metrics;
  /** True when the process does its job; the health check answers 503 otherwise. */
  readonly healthy: () => boolean;
  /** Everything an operator may see: plain data without secrets. */
  readonly status: () => object;
  /** Lets in again whoever this id of intrusion protection shuts out; false when nobody is. */
  readonly unblock?: (id: string) => boolean;
  /** Packets of a call as a pcap file, after so long; undefined when there is no such call. Absent: not allowed. */
  readonly capture?: (order: CaptureOrder) => Promise<Buffer | undefined>;
  /** Simple tokens, to list and to end. */
  readonly tokens?: TokenDesk;
  /** Bans, explanations, the allow list. */
  readonly access?: AccessDesk;
}

export interface CaptureOrder {
  readonly callId: string;
  readonly view: 'wire' | 'plain';
  readonly ms: number;
  /** As the caller names himself: for the log only. */
  readonly by: string;
}

export interface AdminListener {
  readonly url: string;
  close(): Promise<void>;
}

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

const isLoopback = (hostHeader: string | undefined): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/.test(hostHeader ?? '');

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions,
): Promise<void> {
  if (!isLoopback(request.headers.host)) return send(response, 421, 'text/plain', 'not this host\n');
  const desk =
    (options.tokens && (await answerTokens(request, options.tokens))) ??
    (options.access && (await answerAccess(request, options.access)));
  if (desk !== undefined) return send(response, desk.status, desk.type, desk.body);
  if (request.method === 'POST' && request.headers['x-viaduct'] === 'capture')
    return capture(request, response, options.capture);
  if (request.method === 'POST' && options.unblock !== undefined)
    return unblock(request, response, options.unblock);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, 'text/plain', 'read only\n');
  switch (request.url) {
    case '/health': {
      const healthy = options.healthy();
      return send(response, healthy ? 200 : 503, 'text/plain', healthy ? 'ok\n' : 'not serving\n');
    }
    case '/status':
      return send(response, 200, 'application/json', `${JSON.stringify(options.status(), undefined, 2)}\n`);
    case '/metrics':
      return send(response, 200, options.metrics.contentType, await options.metrics.print());
    case '/':
      return send(
        response,
        200,
        'text/html; charset=utf-8',
        statusPage(options.title, options.healthy(), options.status()),
      );
    default:
      return send(response, 404, 'text/plain', 'no such page; there are /, /health, /status and /metrics\n');
  }
}

/** `POST /bans/unblock?id=ID` with `X-Viaduct: unblock`. */
function unblock(request: IncomingMessage, response: ServerResponse, letIn: (id: string) => boolean): void {
  const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
  const id = url?.searchParams.get('id');
  if (request.headers['x-viaduct'] !== 'unblock') return send(response, 405, 'text/plain', 'read only\n');
  if (url?.pathname !== '/bans/unblock' || id === null || id === undefined)
    return send(response, 404, 'text/plain', 'nothing to change here\n');
  const done = letIn(id);
  send(response, done ? 200 : 404, 'text/plain', done ? 'let in again\n' : 'nobody of this id is shut out\n');
}

const MAX_CAPTURE_SECONDS = 60;

/** `POST /capture?call=ID&view=wire|plain&seconds=N&by=NAME` with `X-Viaduct: capture`: a pcap file after N seconds. */
async function capture(
  request: IncomingMessage,
  response: ServerResponse,
  take: AdminOptions['capture'],
): Promise<void> {
  const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
  const [callId, view] = [url?.searchParams.get('call') ?? '', url?.searchParams.get('view')];
  const seconds = Number(url?.searchParams.get('seconds'));
  if (take === undefined)
    return send(
      response,
      403,
      'text/plain',
      'not allowed here: admin.capture-media is off, or this is no core\n',
    );
  if (url?.pathname !== '/capture' || callId === '' || (view !== 'wire' && view !== 'plain'))
    return send(response, 400, 'text/plain', 'which call, and view=wire or plain?\n');
  if (!(seconds >= 1 && seconds <= MAX_CAPTURE_SECONDS))
    return send(response, 400, 'text/plain', `seconds are 1 to ${MAX_CAPTURE_SECONDS}\n`);
  const by = (url.searchParams.get('by') ?? '').slice(0, 64).replaceAll(/[^\w.@-]/g, '?');
  const file = await take({ callId, view, ms: seconds * 1000, by });
  if (file === undefined)
    return send(response, 404, 'text/plain', 'no call of this Call-ID has media here\n');
  const type = { 'Content-Type': 'application/vnd.tcpdump.pcap', 'Content-Length': file.length };
  response.writeHead(200, { ...HEADERS, ...type });
  response.end(file);
}

/** Opens the admin listener. @throws the listen error, with the address in words. */
export async function openAdmin(options: AdminOptions): Promise<AdminListener> {
  const server: Server = createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000 },
    (request, response) => {
      answer(request, response, options).catch(() => {
        if (response.headersSent) response.destroy();
        else send(response, 503, 'text/plain', 'not now: see the log\n');
      });
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const host = options.address.includes(':') ? `[${options.address}]` : options.address;
  return {
    url: `http://${host}:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
