// Header fields of a request on its way to call control: what identifies the client's path is ours alone, and our own
// cookie and token stay here. Edge has done this too; core does it again because edge may be captured (T-105, T-108, T-145).
import { isSimpleToken, parseBearer, stripXAuth } from '../../auth/index.ts';
import { type HeaderList, plainName } from '../../http/index.ts';
import { CLIENT_CERT } from './device-certificate.ts';
import type { Trace } from './trace.ts';

/**
 * Names that say where a request came from or who sent it, in the form in which the laxest reader may see them: any
 * odd character in a name counts as a dash.
 */
const ours = new Set([
  'forwarded',
  'via',
  'trackingid',
  'tracking-id',
  'client-ip',
  'x-client-ip',
  'true-client-ip',
  'x-real-ip',
  'x-remote-user',
  'remote-user',
  'x-user',
  'x-authenticated-user',
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-original-host',
  'x-host',
  'x-remote-addr',
  'x-remote-ip',
  'x-cluster-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'front-end-https',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]);
const oursBeginWith = /^(?:x-)?(?:forwarded-|client-cert|ssl-|envoy-|viaduct-|arr-|auth(?:-|$))/;

/** Changes `headers` in place. `via` is the whole value for both hops. */
export function makeInwardHeaders(headers: HeaderList, trace: Trace, via: string): void {
  stripCookie(headers);
  stripOwnToken(headers);
  headers.removeWhere((name) => isOurs(name));
  if (trace.deviceCertificate !== undefined) headers.append(CLIENT_CERT, trace.deviceCertificate.field);
  headers.append('TrackingID', trace.trackingId);
  if (trace.clientAddress !== undefined) headers.append('X-Forwarded-For', trace.clientAddress);
  headers.append('Via', via);
}

function isOurs(name: string): boolean {
  const plain = plainName(name);
  return ours.has(plain) || oursBeginWith.test(plain);
}

/** A token of ours opens doors here; inside it would only be something to find. */
function stripOwnToken(headers: HeaderList): void {
  const isOwn = (value: string): boolean => isSimpleToken(parseBearer(value) ?? '');
  if (headers.all('authorization').some(isOwn)) headers.remove('authorization');
}

function stripCookie(headers: HeaderList): void {
  const lines = headers.all('cookie');
  if (lines.length === 0) return;
  headers.removeWhere((name) => name === 'cookie');
  for (const line of lines) {
    const rest = stripXAuth(line);
    if (rest !== undefined) headers.append('Cookie', rest);
  }
}
