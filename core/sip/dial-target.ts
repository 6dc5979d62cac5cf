// The one form of what a client dials, for rules that must not be spelled past (T-064): percent signs undone, visual
// separators of numbers gone (RFC 3966 §5.1.1), host in lower case, parameters not looked at.
import { parseNameAddr, SipParseError, unescapeUri, type SipRequest, type Uri } from '../../sip/index.ts';

/** A target in the forms that rules are written in. */
export interface DialTarget {
  /** The number or user alone, and `user@host`. */
  readonly forms: readonly string[];
  /** Undefined for a telephone number. */
  readonly host: string | undefined;
}

/**
 * What a call or a transfer is for; undefined for other requests and for targets that nobody calls (`cid:`, `urn:`).
 * `unreadable`: a transfer with several targets (RFC 3515 §2.1 allows one), or with one that another might read otherwise.
 */
export function dialTarget(request: SipRequest): DialTarget | 'unreadable' | undefined {
  if (request.method === 'INVITE') return targetOf(request.uri);
  if (request.method !== 'REFER') return undefined;
  const [referTo, another] = request.headers.getAll('Refer-To');
  if (referTo === undefined) return undefined;
  try {
    return another === undefined ? targetOf(parseNameAddr(referTo).uri) : 'unreadable';
  } catch (error) {
    if (error instanceof SipParseError) return 'unreadable';
    throw error;
  }
}

function targetOf(uri: Uri): DialTarget | undefined {
  if (uri.kind === 'sip') {
    const host = uri.host.toLowerCase();
    const user = canonicalUser(uri.user ?? '');
    return { forms: [user, `${user}@${host}`], host };
  }
  if (uri.scheme !== 'tel') return undefined;
  const number = uri.opaque.split(';')[0] ?? '';
  return { forms: [canonicalUser(number)], host: undefined };
}

/** A number without its separators; any other user as it is but for its escapes. A user may carry parameters too. */
function canonicalUser(user: string): string {
  const plain = unescapeUri(user).split(';')[0]!.trim().toLowerCase();
  const number = plain.replace(/[-.() ]/g, '');
  return /^\+?[\d*#a-d]+$/.test(number) && /\d/.test(number) ? number : plain;
}
