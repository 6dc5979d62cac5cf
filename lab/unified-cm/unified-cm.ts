// The embedded call-control cluster: web services on every node, one registrar and one relay for all of them.
// Speaks as far as the road needs what Unified CM speaks (mra-wire §3.3, §10); it is no Unified CM.
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../sip/index.ts';
import { DigestDoor } from './digest-door.ts';
import { type Enterprise, type NodePorts } from './enterprise.ts';
import { Registrar } from './registrar.ts';
import { type SipService, startSipService } from './sip-service.ts';
import { createTokenIssuer } from './token-issuer.ts';
import { startWebServices, type WebServices, type WebServicesOptions } from './web-services.ts';

export interface UnifiedCmOptions {
  readonly enterprise: Enterprise;
  readonly ports: NodePorts;
  /** PEM; must cover the names or addresses of all nodes. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** PEM of the authorities inside. */
  readonly authority: string;
  readonly onRequest?: WebServicesOptions['onRequest'];
}

export interface UnifiedCm {
  readonly web: readonly WebServices[];
  readonly sip: SipService;
  /** Whose access token it is; for the other servers of the enterprise. */
  userOfToken(token: string): string | undefined;
  close(): Promise<void>;
}

/** Starts every node of the enterprise; rejects with the listen error of the first door that cannot be opened. */
export async function startUnifiedCm(options: UnifiedCmOptions): Promise<UnifiedCm> {
  const { enterprise, ports, certificate, authority, onRequest } = options;
  const digest = new DigestDoor({ realm: 'ccmsipline', key: randomBytes(32), lifetimeMs: 300_000 });
  const registrar = new Registrar({
    enterprise,
    checkDigest: (request, device, password) => digest.check(request, device.name, password, Date.now()),
    grantedSeconds: 120,
    maxContacts: 8,
    createTag: () => randomBytes(8).toString('hex'),
  });
  const issuer = await createTokenIssuer(Date.now);
  const web: WebServices[] = [];
  try {
    for (const node of enterprise.nodes) {
      const watched = onRequest === undefined ? {} : { onRequest };
      web.push(await startWebServices({ enterprise, node, ports, certificate, issuer, ...watched }));
    }
    const doors = enterprise.nodes.map((node) => ({ node, sip: ports.sip, secureSip: ports.secureSip }));
    const clock = systemClock;
    const sip = await startSipService({
      enterprise,
      registrar,
      doors,
      certificate,
      authority,
      clock,
      maxConnections: 5000,
    });
    return { web, sip, userOfToken: (token) => issuer.userOf(token), close: () => closeAll([sip, ...web]) };
  } catch (error) {
    await closeAll(web);
    throw error;
  }
}

async function closeAll(services: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(services.map((service) => service.close()));
}
