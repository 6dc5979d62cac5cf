// The embedded identity provider: SAML 2.0, HTTP-Redirect in, HTTP-POST out, one page that asks for name and password
// (saml-bindings §3.4, §3.5). Checks that a request is signed by core; signs what it asserts with xml-crypto and shares no
// code with the reading in core. It knows the same people as the embedded Unified CM; it is no real identity provider.
import { createPublicKey, randomUUID, verify } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { type Enterprise, findUser, type LabUser } from '../unified-cm/enterprise.ts';
import { printPostForm, printSignInForm } from './pages.ts';
import { printIdpMetadata, printSignedResponse, type SignedResponse } from './saml-messages.ts';

export interface IdentityProviderOptions {
  readonly enterprise: Enterprise;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** PEM of the web server. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** PEM: what assertions are signed with. */
  readonly signing: SignedResponse['signing'];
  /** PEM of the certificate that core signs requests with. */
  readonly serviceProvider: string;
}

/** The entity id follows from the name. */
export function idpEntityId(name: string, port: number): string {
  return `https://${name}:${port}/metadata`;
}

/** Metadata for core to import. */
export function idpMetadata({
  name,
  port,
  signing,
}: Pick<IdentityProviderOptions, 'name' | 'port' | 'signing'>): string {
  return printIdpMetadata(idpEntityId(name, port), `https://${name}:${port}/sign-in`, signing.certificate);
}

/** Opens the door; rejects with the listen error. */
export async function startIdentityProvider(
  options: IdentityProviderOptions,
): Promise<{ close(): Promise<void> }> {
  const { certificate, address, port } = options;
  const server = createServer({ cert: certificate.chain, key: certificate.key }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      response.writeHead(400, { 'Content-Type': 'text/plain' }).end(`${String(error)}\n`);
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, address, resolve);
  await promise;
  return {
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
}

async function answer(
  options: IdentityProviderOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', `https://${options.name}`);
  const html = { 'Content-Type': 'text/html; charset=utf-8' };
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /metadata':
      response.writeHead(200, { 'Content-Type': 'application/samlmetadata+xml' }).end(idpMetadata(options));
      return;
    case 'GET /sign-in':
      checkSignature(url, options.serviceProvider);
      response.writeHead(200, html).end(printSignInForm(url.search, ''));
      return;
    case 'POST /sign-in': {
      checkSignature(url, options.serviceProvider);
      const form = new URLSearchParams(await readBody(request));
      const user = findUser(options.enterprise, form.get('user') ?? '');
      if (user === undefined || user.password !== form.get('password')) {
        response.writeHead(200, html).end(printSignInForm(url.search, 'Name or password is wrong.'));
        return;
      }
      response.writeHead(200, html).end(await assertion(options, url, user));
      return;
    }
    default:
      response.writeHead(404).end();
  }
}

/** The page that carries the assertion back to the edge. */
async function assertion(options: IdentityProviderOptions, url: URL, user: LabUser): Promise<string> {
  const packed = Buffer.from(url.searchParams.get('SAMLRequest') ?? '', 'base64');
  const xml = (await promisify(inflateRaw)(packed, { maxOutputLength: 65_536 })).toString();
  const read = (pattern: RegExp): string => pattern.exec(xml)?.[1] ?? '';
  const consumer = read(/AssertionConsumerServiceURL="([^"]+)"/);
  const message = printSignedResponse({
    id: `_${randomUUID()}`,
    assertionId: `_${randomUUID()}`,
    issuer: idpEntityId(options.name, options.port),
    audience: read(/<saml:Issuer[^>]*>([^<]+)</),
    consumer,
    requestId: read(/ ID="([^"]+)"/),
    user: user.id,
    now: Date.now(),
    signing: options.signing,
  });
  const relayState = url.searchParams.get('RelayState') ?? '';
  return printPostForm(consumer, {
    SAMLResponse: Buffer.from(message).toString('base64'),
    RelayState: relayState,
  });
}

/** saml-bindings §3.4.4.1: the signature is over the query as it was sent. */
function checkSignature(url: URL, certificate: string): void {
  const [signed = '', signature] = url.search.slice(1).split('&Signature=');
  const good =
    url.searchParams.get('SigAlg') === 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256' &&
    verify(
      'RSA-SHA256',
      Buffer.from(signed),
      createPublicKey(certificate),
      Buffer.from(decodeURIComponent(signature ?? ''), 'base64'),
    );
  if (!good) throw new Error('the request is not signed by the service provider');
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > 65_536) throw new Error('the form is too long');
  }
  return body;
}
