// The one error of the SDP room: why a description was refused, as a word from a closed set.

export type SdpErrorReason =
  | 'too-long'
  | 'too-many-lines'
  | 'too-many-media'
  | 'bad-line'
  | 'bad-version'
  | 'bad-origin'
  | 'bad-connection'
  | 'bad-media'
  | 'bad-rtcp'
  | 'missing-line';

export class SdpError extends Error {
  readonly reason: SdpErrorReason;
  constructor(reason: SdpErrorReason, detail: string) {
    super(`SDP: ${reason} (${detail})`);
    this.name = 'SdpError';
    this.reason = reason;
  }
}
