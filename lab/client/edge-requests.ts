// The HTTPS half of the simulated client: requests to the edge itself and through its proxy lanes (mra-wire §1.2
// to §1.7). Verifies the edge's certificate chain and name, keeps the X-Auth cookie, sends Basic only when told.
// Written from the wire facts alone, so that it shares no code, and no mistake, with the edge it talks to.
import { Agent, request } from 'node:https';
import { printBasic } from '../unified-cm/basic-credentials.ts';
import { type CookieJar, type StoreResult } from './cookie-jar.ts';

export interface EdgeRequestsOptions {
  /** The edge's name as found by DNS: TLS name and `Host`. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** The user's domain: what the first path segment names. */
  readonly domain: string;
  /** PEM of the authorities the client trusts. */
  readonly authority: string;
  readonly localAddress: string;
  readonly jar: CookieJar;
  readonly now: () => number;
  readonly timeoutMs: number;
}

export interface EdgeResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** What became of the cookies this answer set. */
  readonly cookies: readonly StoreResult[];
}

/** Where a lane leads: an inside server as the edge's path names it. */
export interface Lane {
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

/** A password or an access token. */
export type Credentials = { readonly user: string; readonly password: string } | { readonly token: string };

interface Body {
  readonly type: string;
  readonly content: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Longest body a client takes, so that a broken server cannot fill it. */
const maxBodyBytes = 1_048_576;

export class EdgeRequests {
  readonly #options: EdgeRequestsOptions;
  readonly #agent: Agent;

  constructor(options: EdgeRequestsOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
  }

  /** `GET /<domain>/<rest>`: the edge's own services, e.g. `get_edge_config`. */
  async toEdge(rest: string, credentials?: Credentials): Promise<EdgeResponse> {
    return this.#send('GET', `/${segment(this.#options.domain)}/${rest}`, credentials);
  }

  /** `POST /<domain>/<rest>` with a form. */
  async postToEdge(rest: string, form: Readonly<Record<string, string>>): Promise<EdgeResponse> {
    const body = new URLSearchParams(form).toString();
    const type = 'application/x-www-form-urlencoded';
    return this.#send('POST', `/${segment(this.#options.domain)}/${rest}`, undefined, {
      type,
      content: body,
    });
  }

  /** `GET /<domain/protocol/host/port>/<rest>`: an inside server through the edge. */
  async throughLane(lane: Lane, rest: string, credentials?: Credentials): Promise<EdgeResponse> {
    const text = `${this.#options.domain}/${lane.protocol}/${lane.host}/${lane.port}`;
    return this.#send('GET', `/${segment(text)}/${rest}`, credentials);
  }

  /** A SOAP call to an inside server through the edge. */
  async callThroughLane(lane: Lane, rest: string, action: string, envelope: string): Promise<EdgeResponse> {
    const text = `${this.#options.domain}/${lane.protocol}/${lane.host}/${lane.port}`;
    return this.#send('POST', `/${segment(text)}/${rest}`, undefined, {
      type: 'text/xml; charset=utf-8',
      content: envelope,
      headers: { SOAPAction: `"${action}"` },
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    credentials: Credentials | undefined,
    body?: Body,
  ): Promise<EdgeResponse> {
    const { host, address, port, authority, localAddress, jar, now, timeoutMs } = this.#options;
    const cookie = jar.headerFor(host, now());
    const headers: Record<string, string> = { Host: `${host}:${port}`, Accept: '*/*' };
    headers['User-Agent'] = 'Jabber-Win-1234';
    if (cookie !== undefined) headers['Cookie'] = cookie;
    if (credentials !== undefined) {
      headers['Authorization'] =
        'token' in credentials
          ? `Bearer ${credentials.token}`
          : printBasic(credentials.user, credentials.password);
    }
    if (body !== undefined) {
      Object.assign(headers, body.headers);
      headers['Content-Type'] = body.type;
      headers['Content-Length'] = String(Buffer.byteLength(body.content));
    }
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent: this.#agent,
          host: address,
          port,
          method,
          path,
          headers,
          localAddress,
          ca: authority,
          servername: host,
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          let size = 0;
          incoming.on('error', reject);
          incoming.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            size += chunk.length;
            if (size > maxBodyBytes) incoming.destroy(new Error('the answer is too long'));
          });
          incoming.on('end', () => {
            const cookies = (incoming.headers['set-cookie'] ?? []).map((value) => jar.store(host, value));
            const { statusCode: status = 0, headers: told } = incoming;
            resolve({ status, headers: told, body: Buffer.concat(chunks), cookies });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      outgoing.end(body?.content);
    });
  }
}

// base64url without padding, the form every observed client sends.
function segment(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}
