// Fetches metadata of an identity provider over HTTPS: one request, no redirects, certificate and name verified, bounded in
// time and size. The document is checked by whoever asked; this only brings it.
import { request } from 'node:https';
import { isIP } from 'node:net';

export interface MetadataFetchOptions {
  readonly resolve: (host: string) => Promise<readonly string[]>;
  /** PEM of the authorities of one provider's web server; undefined: the system's. */
  readonly authority: string | undefined;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** The document behind `url`. Rejects with words for the operator. */
export async function fetchMetadata(url: string, options: MetadataFetchOptions): Promise<string> {
  const { hostname, port, pathname, search, protocol, host } = new URL(url);
  if (protocol !== 'https:') throw new Error(`${url} is no https URL`);
  const [address] = await options.resolve(hostname);
  if (address === undefined) throw new Error(`${hostname} has no address`);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const outgoing = request({
    host: address,
    port: port === '' ? 443 : Number(port),
    path: `${pathname}${search}`,
    // An address is verified against the addresses in the certificate; only a name may be asked for (RFC 6066 §3).
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    headers: { Host: host, Accept: 'application/samlmetadata+xml, application/xml, text/xml' },
    agent: false,
    signal: AbortSignal.timeout(options.timeoutMs),
    ...(options.authority === undefined ? {} : { ca: options.authority }),
  });
  outgoing.on('error', (error) => reject(new Error(`${host}: ${error.message}`, { cause: error })));
  outgoing.on('response', (answer) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    answer.on('error', reject);
    if (answer.statusCode !== 200) {
      reject(new Error(`${host} answered with status ${answer.statusCode}`));
      answer.destroy();
      return;
    }
    answer.on('data', (piece: Buffer) => {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes > options.maxBytes)
        answer.destroy(new Error(`${host} sends more than ${options.maxBytes} bytes`));
    });
    answer.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
  });
  outgoing.end();
  return promise;
}
