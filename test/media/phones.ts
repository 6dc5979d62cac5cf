// Phones of the media tests: an SRTP one outside, a plain one inside, and the SDP they write.
import { LoopbackEndpoint } from '../../media/loopback-endpoint.ts';
import { findSuite, SrtpReceiver, SrtpSender, type SuiteName } from '../../media/index.ts';
import { attributes, connectionAddress, parseCrypto, parseSdp, type Sdp } from '../../sip/sdp/index.ts';
import type { TransportAddress } from '../../turn/index.ts';

export const CRLF = '\r\n';

/** An audio description; `lines` are added to its media section. */
export function audioSdp(
  address: string,
  port: number,
  protocol: string,
  lines: readonly string[] = [],
): Buffer {
  const text = [
    'v=0',
    `o=phone 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} ${protocol} 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=ptime:20',
    ...lines,
    '',
  ];
  return Buffer.from(text.join(CRLF));
}

/** An RTP packet with this text as payload. */
export function rtp(sequence: number, text: string, ssrc = 0xabcd): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), Buffer.from(text)]);
  packet[0] = 0x80;
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

/** A receiver report with one SSRC. */
export function rtcp(ssrc = 0xabcd): Buffer {
  const packet = Buffer.from('80c9000100000000', 'hex');
  packet.writeUInt32BE(ssrc, 4);
  return packet;
}

/** Where a description's section wants packets. */
export function placeOf(bytes: Buffer, index = 0): TransportAddress {
  const sdp: Sdp = parseSdp(bytes);
  return { address: connectionAddress(sdp, sdp.media[index]!)!, port: sdp.media[index]!.port };
}

/** A phone with SDES: its key, its endpoints, its idea of the other side. */
export class SecurePhone {
  readonly media: LoopbackEndpoint;
  readonly control: LoopbackEndpoint;
  readonly suite: SuiteName;
  readonly tag: number;
  key: Buffer;
  sender!: SrtpSender;
  receiver!: SrtpReceiver;
  #peer!: TransportAddress;

  private constructor(media: LoopbackEndpoint, control: LoopbackEndpoint, suite: SuiteName, fill: number) {
    this.media = media;
    this.control = control;
    this.suite = suite;
    this.tag = 1;
    this.key = Buffer.alloc(findSuite(suite)!.keyBytes + findSuite(suite)!.saltBytes, fill);
    this.#rekey();
  }

  static async open(suite: SuiteName = 'AES_CM_128_HMAC_SHA1_80', fill = 0x51): Promise<SecurePhone> {
    return new SecurePhone(await LoopbackEndpoint.open(), await LoopbackEndpoint.open(), suite, fill);
  }

  useKey(fill: number): void {
    this.key = Buffer.alloc(this.key.length, fill);
    this.#rekey();
  }

  #rekey(): void {
    const { suite, key } = this;
    const sizes = findSuite(suite)!;
    const master = { key: key.subarray(0, sizes.keyBytes), salt: key.subarray(sizes.keyBytes) };
    this.sender = new SrtpSender({ suite: sizes, master, maxSources: 8 });
  }

  cryptoLine(tag = this.tag): string {
    return `a=crypto:${tag} ${this.suite} inline:${this.key.toString('base64')}`;
  }

  /** Takes the other side's description: where to send, and the key to open with. */
  learn(bytes: Buffer, index = 0): void {
    const sdp = parseSdp(bytes);
    this.#peer = placeOf(bytes, index);
    const parsed = attributes(sdp.media[index]!.lines, 'crypto').map((value) =>
      parseCrypto(value, findSuite),
    );
    const line = parsed.find((crypto) => typeof crypto !== 'string' && crypto.suite === this.suite);
    if (line === undefined || typeof line === 'string') throw new Error('no crypto line for this phone');
    const master = { key: line.key, salt: line.salt };
    this.receiver = new SrtpReceiver({ suite: findSuite(this.suite)!, master, maxSources: 8 });
  }

  get peer(): TransportAddress {
    return this.#peer;
  }

  get peerControl(): TransportAddress {
    return { ...this.#peer, port: this.#peer.port + 1 };
  }

  protectRtp(packet: Buffer): Buffer {
    const sealed = this.sender.protectRtp(packet, 0);
    if (typeof sealed === 'string') throw new Error(sealed);
    return sealed;
  }

  protectRtcp(packet: Buffer): Buffer {
    const sealed = this.sender.protectRtcp(packet, 0);
    if (typeof sealed === 'string') throw new Error(sealed);
    return sealed;
  }

  async sendRtp(packet: Buffer, from: LoopbackEndpoint = this.media): Promise<void> {
    await from.send(this.protectRtp(packet), this.#peer);
  }

  /** The next packet that arrives, opened. */
  async hearRtp(on: LoopbackEndpoint = this.media): Promise<Buffer> {
    const opened = this.receiver.unprotectRtp((await on.next()).bytes);
    if (typeof opened === 'string') throw new Error(opened);
    return opened.packet;
  }

  async hearRtcp(on: LoopbackEndpoint = this.control): Promise<Buffer> {
    const opened = this.receiver.unprotectRtcp((await on.next()).bytes);
    if (typeof opened === 'string') throw new Error(opened);
    return opened.packet;
  }

  close(): void {
    this.media.close();
    this.control.close();
  }
}
