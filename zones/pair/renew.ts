// Renewal: a fresh TLS certificate and key for one peer from the authority kept offline. The SSH key stays, because
// the other peers pin it; so only the renewed peer's file changes.
import { type KeyObject, X509Certificate, createPrivateKey } from 'node:crypto';
import { type IdentityBundle, pemBlock } from '../zone-file.ts';
import { issueIdentity } from './certificate.ts';

export interface RenewRequest {
  /** The authority's certificate and key as `createPair` gave them. */
  readonly authorityPem: string;
  /** The zone's authority, to be sure that it is the same one. */
  readonly zoneAuthority: string;
  readonly name: string;
  readonly identity: IdentityBundle;
  readonly days: number;
  /** Wall-clock milliseconds that count as now. */
  readonly now: number;
}

/** Returns the peer's new identity. Throws in words when the authority is not the zone's or has ended. */
export async function renewIdentity(request: RenewRequest): Promise<IdentityBundle> {
  const { certificate, key, authority, privateKey } = readAuthority(request.authorityPem);
  if (authority.fingerprint256 !== new X509Certificate(request.zoneAuthority).fingerprint256)
    throw new Error('this authority is not the one of the zone file');
  if (!authority.checkPrivateKey(privateKey))
    throw new Error("the authority's private key does not belong to its certificate");
  if (authority.validToDate.getTime() <= request.now)
    throw new Error(
      `the authority ended on ${authority.validToDate.toISOString().slice(0, 10)}: pair the zone anew`,
    );
  const issued = await issueIdentity({ certificate, key }, request.name, {
    from: request.now,
    days: request.days,
  });
  return { certificate: issued.certificate, tlsKey: issued.key, sshKey: request.identity.sshKey };
}

interface Authority {
  readonly certificate: string;
  readonly key: string;
  readonly authority: X509Certificate;
  readonly privateKey: KeyObject;
}

function readAuthority(pem: string): Authority {
  const certificate = pemBlock(pem, 'CERTIFICATE');
  const key = pemBlock(pem, 'PRIVATE KEY');
  if (!certificate || !key)
    throw new Error("the authority file must hold the authority's certificate and private key");
  try {
    return {
      certificate,
      key,
      authority: new X509Certificate(certificate),
      privateKey: createPrivateKey(key),
    };
  } catch (cause) {
    throw new Error('the authority file cannot be read: name the .authority.pem that viaduct pair wrote', {
      cause,
    });
  }
}
