// SRTP for a phone by SDES keys (RFC 4568 §6): makes its own key lines, and from a pair of lines the protection of
// an audio stream. The cipher work is the media room's.
import { findSuite, SrtpReceiver, SrtpSender, type Suite } from '../../media/index.ts';
import { type PacketProtection } from './audio-stream.ts';
import { type SdesKey } from './session-description.ts';

/** What a soft client offers, strongest first. */
export const offeredSuites = ['AEAD_AES_256_GCM', 'AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'] as const;

/** A fresh key line. Throws RangeError for a suite that nobody knows. */
export function createSdesKey(tag: number, suiteName: string, random: (bytes: number) => Buffer): SdesKey {
  const suite = knownSuite(suiteName);
  return { tag, suite: suiteName, inline: random(suite.keyBytes + suite.saltBytes).toString('base64') };
}

/** Which of our lines and theirs are in force: an answer repeats the tag of the offered line it took. */
export function matchKeys(
  offered: readonly SdesKey[],
  answered: readonly SdesKey[],
): { offered: SdesKey; answered: SdesKey } | undefined {
  const [chosen] = answered;
  const match = offered.find((key) => key.tag === chosen?.tag && key.suite === chosen.suite);
  return match === undefined || chosen === undefined ? undefined : { offered: match, answered: chosen };
}

/** The sending half; lives as long as its key, or a keystream would be used twice. */
export function createProtect(key: SdesKey): PacketProtection['protect'] {
  const sender = new SrtpSender(context(key));
  return (packet) => {
    const out = sender.protectRtp(packet, 0);
    if (typeof out === 'string') throw new Error(`SRTP refuses to send: ${out}`);
    return out;
  };
}

/** The receiving half. */
export function createUnprotect(key: SdesKey): PacketProtection['unprotect'] {
  const receiver = new SrtpReceiver(context(key));
  return (packet) => {
    const opened = receiver.unprotectRtp(packet);
    return typeof opened === 'string' ? undefined : opened.packet;
  };
}

function context(key: SdesKey) {
  const suite = knownSuite(key.suite);
  const bytes = Buffer.from(key.inline, 'base64');
  const master = { key: bytes.subarray(0, suite.keyBytes), salt: bytes.subarray(suite.keyBytes) };
  return { suite, master, maxSources: 4 };
}

function knownSuite(name: string): Suite {
  const suite = findSuite(name);
  if (suite === undefined) throw new RangeError(`unknown SRTP suite ${name}`);
  return suite;
}
