// How people prove who they are to the embedded IM and Presence: a password (PLAIN), an access token of Unified CM
// (OAUTHBEARER, X-OAUTH2), or the one-time password of the SOAP login (CISCO-VTG-TOKEN, mra-wire §4.2).
import { randomBytes } from 'node:crypto';
import { decodeSasl, saslIdentity } from '../../xmpp/index.ts';
import { type Enterprise, findUser } from '../unified-cm/enterprise.ts';

export const MECHANISMS = ['PLAIN', 'OAUTHBEARER', 'X-OAUTH2', 'CISCO-VTG-TOKEN'] as const;
const ONE_TIME_MS = 60_000;
const MAX_ONE_TIME = 100;

export class Credentials {
  readonly #enterprise: Enterprise;
  readonly #userOfToken: (token: string) => string | undefined;
  readonly #oneTime = new Map<string, { readonly user: string; readonly until: number }>();

  /** `userOfToken` asks Unified CM whose access token it is. */
  constructor(enterprise: Enterprise, userOfToken: (token: string) => string | undefined) {
    this.#enterprise = enterprise;
    this.#userOfToken = userOfToken;
  }

  /** The user whom a SASL message proves. */
  check(mechanism: string, message: string): string | undefined {
    const bytes = decodeSasl(message);
    if (bytes === undefined) return undefined;
    const [, name = '', password] = bytes.toString().split('\0');
    if (mechanism === 'PLAIN') return this.byPassword(localPart(name), password);
    const identity = saslIdentity(mechanism, bytes, this.#enterprise.domain);
    if ('condition' in identity) return undefined;
    const user =
      mechanism === 'CISCO-VTG-TOKEN'
        ? this.#redeem(/token=(.+)$/s.exec(bytes.toString())?.[1] ?? '')
        : this.#userOfToken(identity.token ?? '');
    const claimed = identity.user === undefined ? user : localPart(identity.user);
    return user === claimed ? user : undefined;
  }

  byPassword(name: string, password: string | undefined): string | undefined {
    const user = findUser(this.#enterprise, name);
    return user !== undefined && user.password === password ? user.id : undefined;
  }

  byToken(token: string): string | undefined {
    return this.#userOfToken(token);
  }

  /** A one-time password for a user who has signed in over SOAP. */
  oneTimePassword(user: string, now = Date.now()): string {
    const password = randomBytes(16).toString('hex');
    this.#oneTime.set(password, { user, until: now + ONE_TIME_MS });
    for (const oldest of this.#oneTime.keys())
      if (this.#oneTime.size > MAX_ONE_TIME) this.#oneTime.delete(oldest);
    return password;
  }

  #redeem(password: string, now = Date.now()): string | undefined {
    const known = this.#oneTime.get(password);
    this.#oneTime.delete(password);
    return known === undefined || known.until < now ? undefined : known.user;
  }
}

function localPart(name: string): string {
  return name.split('@')[0] ?? '';
}
