// Stream errors (RFC 6120 §4.9): what ends a stream, the words the peer is told, the word that is counted.
import { Element } from 'ltx';
import { NS_STREAM_ERRORS, NS_STREAMS } from './namespaces.ts';

/** Conditions of RFC 6120 §4.9.3 that we send or pass on. `see-other-host` is never among them: it names an inside host. */
export const STREAM_CONDITIONS = [
  'bad-format',
  'bad-namespace-prefix',
  'conflict',
  'connection-timeout',
  'host-gone',
  'host-unknown',
  'improper-addressing',
  'internal-server-error',
  'invalid-from',
  'invalid-namespace',
  'invalid-xml',
  'not-authorized',
  'not-well-formed',
  'policy-violation',
  'remote-connection-failed',
  'reset',
  'resource-constraint',
  'restricted-xml',
  'system-shutdown',
  'undefined-condition',
  'unsupported-encoding',
  'unsupported-feature',
  'unsupported-stanza-type',
  'unsupported-version',
] as const;

export type StreamCondition = (typeof STREAM_CONDITIONS)[number];

/** Why a stream was refused, as counted; a closed set. */
export type StreamFault =
  | 'syntax'
  | 'encoding'
  | 'forbidden-xml'
  | 'length'
  | 'depth'
  | 'attributes'
  | 'elements'
  | 'header'
  | 'order'
  | 'address'
  | 'stanza-type';

/** What a peer did wrong on its stream; the only error that this room throws for input. */
export class StreamError extends Error {
  readonly condition: StreamCondition;
  readonly fault: StreamFault;

  constructor(condition: StreamCondition, fault: StreamFault, text: string) {
    super(text);
    this.name = 'StreamError';
    this.condition = condition;
    this.fault = fault;
  }
}

/** `</stream:stream>`, the last thing on a stream (RFC 6120 §4.4). */
export const STREAM_CLOSE = '</stream:stream>';

/** The error element and the end of the stream; `text` is for people and holds nothing that came from elsewhere. */
export function printStreamError(condition: StreamCondition, text: string): string {
  const words = new Element('text', { xmlns: NS_STREAM_ERRORS, 'xml:lang': 'en' }).t(text).toString();
  return `<stream:error><${condition} xmlns="${NS_STREAM_ERRORS}"/>${words}</stream:error>${STREAM_CLOSE}`;
}

/** The condition inside a `stream:error` element of a server; `undefined-condition` for what we do not pass on. */
export function conditionOf(error: Element): StreamCondition {
  for (const child of error.getChildElements()) {
    const known = STREAM_CONDITIONS.find((condition) => condition === child.getName());
    if (known !== undefined && child.getNS() === NS_STREAM_ERRORS) return known;
  }
  return 'undefined-condition';
}

/** True for the element that carries a stream error. */
export function isStreamError(local: string, namespace: string): boolean {
  return local === 'error' && namespace === NS_STREAMS;
}
