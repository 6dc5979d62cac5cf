// Why a SAML message or metadata is refused: one word from a closed set that can be counted, and a sentence that tells the
// operator the cause. The client is told neither.

export type SamlReason =
  | 'form'
  | 'algorithm'
  | 'signature'
  | 'decryption'
  | 'status'
  | 'issuer'
  | 'destination'
  | 'recipient'
  | 'audience'
  | 'in-response-to'
  | 'not-yet-valid'
  | 'expired'
  | 'replayed'
  | 'session'
  | 'attribute'
  | 'metadata'
  | 'identity-provider';

export class SamlFault extends Error {
  readonly reason: SamlReason;

  constructor(reason: SamlReason, text: string, options?: ErrorOptions) {
    super(text, options);
    this.name = 'SamlFault';
    this.reason = reason;
  }
}
