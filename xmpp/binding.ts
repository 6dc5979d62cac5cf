// Resource binding as a relay sees it (RFC 6120 §7), and resumption in its place (XEP-0198 §5).
import type { Element } from 'ltx';
import { NS_BIND, NS_CLIENT, NS_STREAM_MANAGEMENT } from './namespaces.ts';
import type { StreamElement } from './stream-parser.ts';

/** What a client may send before a resource is bound. */
export function asksToBind(event: StreamElement): boolean {
  if (NS_STREAM_MANAGEMENT.includes(event.namespace)) return event.local === 'resume';
  return isIq(event, 'set') && carriesBind(event.element);
}

/** The server's word that a resource is bound, or a session resumed. */
export function saysBound(event: StreamElement): boolean {
  if (NS_STREAM_MANAGEMENT.includes(event.namespace)) return event.local === 'resumed';
  return isIq(event, 'result') && carriesBind(event.element);
}

function isIq(event: StreamElement, type: 'set' | 'result'): boolean {
  return event.namespace === NS_CLIENT && event.local === 'iq' && event.element.attrs.type === type;
}

function carriesBind(element: Element): boolean {
  return element.getChild('bind', NS_BIND) !== undefined;
}
