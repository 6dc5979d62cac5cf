// The hello by which core proves its address on the media link: a STUN Binding request (RFC 8489) with USERNAME = link
// and MESSAGE-INTEGRITY-SHA256, its transaction id | 4 random bytes | 8 bytes of a counter that only grows |. The
// answer is sealed with the same key. A copied hello is refused by its counter, so it moves no link.
// Pure; silent on anything that is not exactly this.
import {
  ATTRIBUTE,
  checkIntegrity,
  findAttribute,
  METHOD,
  parseStun,
  printStun,
  StunError,
  xorAddressAttribute,
  type StunMessage,
  type TransportAddress,
} from '../../turn/index.ts';

const USERNAME_BYTES = 32;

/** Prints a hello. `random` is four bytes; `counter` grows with each hello of the link. */
export function printHello(link: string, key: Buffer, counter: bigint, random: Buffer): Buffer {
  const transactionId = Buffer.alloc(12);
  random.copy(transactionId, 0, 0, 4);
  transactionId.writeBigUInt64BE(counter, 4);
  const username = { type: ATTRIBUTE.username, value: Buffer.from(link, 'ascii') };
  return printStun(
    { class: 'request', method: METHOD.binding, transactionId, attributes: [username] },
    { integrity: { algorithm: 'sha256', key } },
  );
}

/** A hello that names a link; its seal is not checked yet because the key is the link's. */
export interface ClaimedHello {
  readonly link: string;
  readonly counter: bigint;
  readonly message: StunMessage;
}

/** Reads the link that a hello claims; undefined for any other message. */
export function parseHello(bytes: Buffer): ClaimedHello | undefined {
  const message = parseOrUndefined(bytes);
  if (message?.class !== 'request' || message.method !== METHOD.binding) return undefined;
  const username = findAttribute(message, ATTRIBUTE.username);
  if (username?.length !== USERNAME_BYTES) return undefined;
  return { link: username.toString('latin1'), counter: message.transactionId.readBigUInt64BE(4), message };
}

/** Is the hello sealed with this key? */
export function isSealed(hello: ClaimedHello, key: Buffer): boolean {
  return checkIntegrity(hello.message, 'sha256', key) === 'valid';
}

/** Answers a hello whose seal is right with the address that it came from, as core's NAT made it. */
export function printHelloAnswer(hello: ClaimedHello, key: Buffer, source: TransportAddress): Buffer {
  const { transactionId } = hello.message;
  const mapped = xorAddressAttribute(ATTRIBUTE.xorMappedAddress, source, transactionId);
  return printStun(
    { class: 'success', method: METHOD.binding, transactionId, attributes: [mapped] },
    { integrity: { algorithm: 'sha256', key } },
  );
}

/** The counter of the hello that an answer belongs to; undefined unless it is sealed with the key. */
export function parseHelloAnswer(bytes: Buffer, key: Buffer): bigint | undefined {
  const message = parseOrUndefined(bytes);
  if (message?.class !== 'success' || message.method !== METHOD.binding) return undefined;
  if (checkIntegrity(message, 'sha256', key) !== 'valid') return undefined;
  return message.transactionId.readBigUInt64BE(4);
}

function parseOrUndefined(bytes: Buffer): StunMessage | undefined {
  try {
    return parseStun(bytes);
  } catch (error) {
    if (error instanceof StunError) return undefined;
    throw error;
  }
}
