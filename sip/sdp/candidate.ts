// a=candidate and the two credentials of ICE in a description: RFC 8839 §5.1, §5.2, §5.4.
// Trusts nothing: a line is read whole or not at all; addresses are literals, because a name would make the other end
// ask DNS or mDNS about whatever a stranger wrote (T-017, T-174). Reads only; who may name which address is decided
// elsewhere.
import { isIP } from 'node:net';

export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay';

export interface Candidate {
  readonly foundation: string;
  /** 1 for RTP, 2 for RTCP. */
  readonly component: number;
  readonly address: string;
  readonly port: number;
  readonly type: CandidateType;
}

/** Why a line is not passed on. */
export type CandidateRefusal = 'malformed' | 'name';

/** Longest a=candidate value: the fields of the RFC take some 120 characters, extensions the rest. */
const MAX_CHARACTERS = 400;
const LINE =
  /^([A-Za-z0-9+/]{1,32}) (\d{1,3}) [A-Za-z-]{1,16} (\d{1,10}) (\S{1,64}) (\d{1,5}) typ (host|srflx|prflx|relay)((?: \S{1,64} \S{1,64}){0,8}) ?$/i;

/** Parses what follows `a=candidate:`. */
export function parseCandidate(value: string): Candidate | CandidateRefusal {
  const match = value.length > MAX_CHARACTERS ? null : LINE.exec(value);
  if (match === null) return 'malformed';
  const [, foundation, component, priority, address, port, type, extensions] = match;
  const isInRange =
    Number(component) >= 1 && Number(component) <= 256 && Number(priority) < 2 ** 31 && Number(port) <= 65535;
  if (!isInRange || !hasLiteralOrigin(extensions ?? '')) return 'malformed';
  if (isIP(address!) === 0 || address!.includes('%')) return 'name';
  return {
    foundation: foundation!,
    component: Number(component),
    address: address!,
    port: Number(port),
    type: type!.toLowerCase() as CandidateType,
  };
}

/** raddr, where it stands, is a literal too (§5.1). */
function hasLiteralOrigin(extensions: string): boolean {
  const fields = extensions.trim().split(' ');
  return fields.every(
    (field, index) => index % 2 !== 0 || field.toLowerCase() !== 'raddr' || isIP(fields[index + 1]!) !== 0,
  );
}

/** `ice-ufrag`: 4 to 256 ice-chars. */
export function isIceUfrag(value: string | undefined): value is string {
  return value !== undefined && /^[A-Za-z0-9+/]{4,256}$/.test(value);
}

/** `ice-pwd`: 22 to 256 ice-chars. */
export function isIcePassword(value: string | undefined): value is string {
  return value !== undefined && /^[A-Za-z0-9+/]{22,256}$/.test(value);
}

/** The address of each component in `a=remote-candidates` (§5.2); undefined where it is not well-formed. */
export function parseRemoteCandidates(
  value: string,
): readonly { readonly component: number; readonly address: string; readonly port: number }[] | undefined {
  const fields = value.trim().split(' ');
  if (fields.length % 3 !== 0 || fields.length > 3 * 4) return undefined;
  const found = [];
  for (let at = 0; at < fields.length; at += 3) {
    const [component, address, port] = [fields[at]!, fields[at + 1]!, fields[at + 2]!];
    if (!/^\d{1,3}$/.test(component) || isIP(address) === 0 || !/^\d{1,5}$/.test(port)) return undefined;
    found.push({ component: Number(component), address, port: Number(port) });
  }
  return found;
}
