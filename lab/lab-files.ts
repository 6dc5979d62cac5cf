// The files an operator would have: configuration of edge and core, zone files of the pair, certificates. Written
// into a temporary folder and read back by the real loader, so that the newcomer's path is the operator's path.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { createSigningCertificate } from '../auth/index.ts';
import { createPair } from '../zones/pair/pair.ts';
import { addressPlan } from './address-plan.ts';
import { idpMetadata } from './identity-provider/identity-provider.ts';
import { keyAccount } from './unified-cm/oauth-service.ts';
import { createLabAuthority, type IssuedCertificate } from './authority/authority.ts';

export interface LabFiles {
  readonly folder: string;
  readonly edgeConfig: string;
  readonly coreConfig: string;
  /** Who may use the edge's relay. */
  readonly relayUser: { readonly name: string; readonly password: string };
  /** PEM of the public authority that the outside client trusts. */
  readonly publicAuthority: string;
  /** The node's certificate; core trusts its authority by file. */
  readonly unifiedCm: IssuedCertificate;
  readonly imPresence: IssuedCertificate;
  /** Web server, what assertions are signed with, and the certificate by which core is known; PEM. */
  readonly identityProvider: {
    readonly web: IssuedCertificate;
    readonly signing: { readonly certificate: string; readonly key: string };
    readonly serviceProvider: string;
  };
  /** PEM of the authority inside, which phones trust. */
  readonly insideAuthority: string;
  remove(): void;
}

const relayUserName = 'ice-phones';

/** A folder's name carries the process that made it: `viaduct-lab-812-x7Fa2k`. */
const folderPrefix = 'viaduct-lab-';

/** Removes the folders of labs that were killed outright and could not do it themselves. */
function sweepLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) removeFolder(path.join(tmpdir(), name));
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process: it runs.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Another user's: not ours to remove.
  }
}

/** Makes keys, certificates and configuration for one run. */
export async function writeLabFiles(nowMs: number): Promise<LabFiles> {
  sweepLeftovers();
  const folder = mkdtempSync(path.join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const { edge, core, imPresence, unifiedCm } = addressPlan;
  const validity = { fromMs: nowMs - 3_600_000, untilMs: nowMs + 86_400_000, bits: 2048 };
  const [publicAuthority, insideAuthority, pair, signing, serviceProvider] = await Promise.all([
    createLabAuthority('Public authority of the lab', nowMs),
    createLabAuthority('Inside authority of the lab', nowMs),
    createPair({
      zoneName: 'inside',
      zoneId: 1,
      edges: [{ name: edge.name, address: edge.address }],
      cores: [{ name: core.name }],
      ports: { ...addressPlan.link, media: [...addressPlan.link.media] },
      days: 1,
      now: nowMs,
    }),
    createSigningCertificate('Identity provider of the lab', validity),
    createSigningCertificate('Core of the lab', validity),
  ]);
  const { identityProvider } = addressPlan;
  const [edgeCertificate, web, nodeCertificate, imPresenceCertificate] = await Promise.all([
    publicAuthority.issue([edge.name]),
    publicAuthority.issue([identityProvider.name]),
    insideAuthority.issue([unifiedCm.name]),
    insideAuthority.issue([imPresence.name]),
  ]);
  for (const peer of pair.files) write(`zone-${peer.role}.yaml`, peer.yaml);
  write('edge.pem', edgeCertificate.chain);
  write('edge.key', edgeCertificate.key);
  write('inside-authority.pem', insideAuthority.certificate);
  write('axl.password', keyAccount.password);
  const relayPassword = randomBytes(12).toString('base64url');
  write('relay.password', relayPassword);
  write('saml.pem', serviceProvider.certificate);
  write('saml.key', serviceProvider.key);
  write('idp-metadata.xml', idpMetadata({ ...identityProvider, signing }));
  return {
    folder,
    edgeConfig: write('edge.yaml', stringify(edgeSettings())),
    coreConfig: write('core.yaml', stringify(coreSettings())),
    publicAuthority: publicAuthority.certificate,
    relayUser: { name: relayUserName, password: relayPassword },
    insideAuthority: insideAuthority.certificate,
    unifiedCm: nodeCertificate,
    imPresence: imPresenceCertificate,
    identityProvider: { web, signing, serviceProvider: serviceProvider.certificate },
    remove: () => removeFolder(folder),
  };
}

function edgeSettings(): object {
  const { edge } = addressPlan;
  return {
    edge: { name: edge.name },
    zones: ['zone-edge.yaml'],
    listen: { external: edge.address, internal: edge.address },
    certificate: { chain: 'file:edge.pem', key: 'file:edge.key' },
    https: { port: edge.https },
    sip: { port: edge.sip },
    xmpp: { enabled: true, port: edge.xmpp },
    turn: {
      enabled: true,
      port: edge.turn,
      'tls-port': edge.turnTls,
      users: [{ name: relayUserName, password: 'file:relay.password' }],
    },
    admin: { address: edge.address, port: edge.admin },
  };
}

function coreSettings(): object {
  const { core, domain, imPresence, insideDns, unifiedCm } = addressPlan;
  return {
    core: { name: core.name },
    zones: ['zone-core.yaml'],
    domains: [{ name: domain }],
    // No root, so the lab's DNS cannot be on port 53 where the system's resolver would ask.
    'dns-servers': [`${insideDns.address}:${insideDns.port}`],
    'unified-cm': [
      {
        publisher: unifiedCm.name,
        authority: 'file:inside-authority.pem',
        'static-nodes': [{ name: imPresence.name, kind: 'im-presence', address: imPresence.address }],
        'oauth-keys': { path: '/ssosp/keys', user: keyAccount.user, password: 'file:axl.password' },
      },
    ],
    access: {
      authentication: 'saml-and-ucm-ldap',
      'authorize-by-oauth-token-with-refresh': true,
      'authorize-by-oauth-token': true,
    },
    saml: {
      certificate: { chain: 'file:saml.pem', key: 'file:saml.key' },
      'identity-providers': [{ name: 'lab', domains: [domain], metadata: 'file:idp-metadata.xml' }],
    },
    sip: { address: core.address, 'tcp-port': core.sip },
    xmpp: { enabled: true, port: imPresence.xmpp },
    admin: { address: core.address, port: core.admin },
  };
}
