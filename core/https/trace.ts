// What edge says about the client of a request: used for logs and for tracing inside, never for a decision. Edge may be
// captured, so that a value is taken only in the exact form edge makes it.
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { HeaderList } from '../../http/index.ts';
import { type DeviceCertificate, readDeviceCertificate } from './device-certificate.ts';

export interface Trace {
  /** Joins the log lines of edge, core and call control. */
  readonly trackingId: string;
  readonly clientAddress: string | undefined;
  /** Certificate of a device that edge says has proven itself; passed on inside. */
  readonly deviceCertificate: DeviceCertificate | undefined;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function readTrace(headers: HeaderList): Trace {
  const ids = headers.all('trackingid');
  const addresses = headers.all('x-forwarded-for');
  const id = ids.length === 1 ? ids[0] : undefined;
  const address = addresses.length === 1 ? addresses[0] : undefined;
  return {
    trackingId: id !== undefined && uuid.test(id) ? id : randomUUID(),
    clientAddress: address !== undefined && isIP(address) !== 0 ? address : undefined,
    deviceCertificate: readDeviceCertificate(headers),
  };
}
