// The certificate of a device as edge tells it: the Client-Cert field of RFC 9440. Edge has seen the handshake, core has
// not: a captured edge can claim any certificate it has ever met, so that one opens nothing but onboarding, where call
// control asks the device for more. Exactly one field in exactly the form edge prints it, or none.
import { X509Certificate } from 'node:crypto';
import type { HeaderList } from '../../http/index.ts';

export const CLIENT_CERT = 'Client-Cert';

export interface DeviceCertificate {
  /** As it came, to be passed on. */
  readonly field: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  /** One line, for the log. */
  readonly subject: string;
}

/** 8 KiB of DER. */
const maxFieldLength = 10_926;
const form = /^:([A-Za-z0-9+/]+={0,2}):$/;

export function readDeviceCertificate(headers: HeaderList): DeviceCertificate | undefined {
  const fields = headers.all(CLIENT_CERT.toLowerCase());
  const [field] = fields;
  if (field === undefined || fields.length > 1 || field.length > maxFieldLength) return undefined;
  const encoded = form.exec(field)?.[1];
  if (encoded === undefined) return undefined;
  try {
    const certificate = new X509Certificate(Buffer.from(encoded, 'base64'));
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    return {
      field,
      fingerprint,
      subject: certificate.subject.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200),
    };
  } catch {
    return undefined;
  }
}
