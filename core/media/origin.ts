// The o= line of one leg: one session id for its life, a version that grows with each change (RFC 3264 §8).
// Both legs have their own, so that a transfer inside does not look like a new session to the client.
import { parseOrigin, printSdp, withOrigin, type Sdp } from '../../sip/sdp/index.ts';

export class LegOrigin {
  readonly #sessionId: number;
  #version: number;
  #sent: string | undefined;

  /** `sessionId` is a random number of 31 bits. */
  constructor(sessionId: number) {
    this.#sessionId = sessionId;
    this.#version = sessionId;
  }

  /** The bytes to send: our origin with the writer's user name, version as before if nothing else has changed. */
  print(sdp: Sdp, address: string): Buffer {
    const body = printSdp(withOrigin(sdp, '')).toString('latin1');
    if (this.#sent !== undefined && this.#sent !== body) this.#version += 1;
    this.#sent = body;
    const { username } = parseOrigin(sdp.session[1]!.value);
    const family = address.includes(':') ? 'IP6' : 'IP4';
    return printSdp(
      withOrigin(sdp, `${username} ${this.#sessionId} ${this.#version} IN ${family} ${address}`),
    );
  }
}
