// Request-Line and Status-Line, RFC 3261 §7.1, §7.2. Exactly one space between parts, nothing after them.
//   INVITE sip:bob@example.com SIP/2.0
//   SIP/2.0 200 OK

import { SipRequest, SipResponse, isMethod } from './message.ts';
import type { HeaderList } from './header-list.ts';
import { SipParseError } from './parse-error.ts';

/** A message with its first line read, and what was wrong with that line although the rest can be framed. */
export interface StartedMessage {
  readonly message: SipRequest | SipResponse;
  readonly fault: SipParseError | undefined;
}

/**
 * Reads a first line. Throws SipParseError when it is no SIP at all: then nothing after it can be trusted.
 * `head` is handed to the message for faithful printing.
 */
export function parseStartLine(line: string, headers: HeaderList, head: string | undefined): StartedMessage {
  if (line.startsWith('SIP/2.0 ')) return parseStatusLine(line, headers, head);
  const methodEnd = line.indexOf(' ');
  const versionStart = line.lastIndexOf(' SIP/');
  const method = line.slice(0, methodEnd);
  if (methodEnd < 0 || versionStart < methodEnd || !isMethod(method)) {
    throw new SipParseError('not-sip', 'Malformed Start Line');
  }
  const uriText = line.slice(methodEnd + 1, versionStart);
  const message = new SipRequest(method, uriText, headers, head);
  return { message, fault: requestLineFault(uriText, line.slice(versionStart + 1)) };
}

function requestLineFault(uriText: string, version: string): SipParseError | undefined {
  if (uriText === '' || uriText.includes(' '))
    return new SipParseError('start-line', 'Malformed Request-Line');
  if (version === 'SIP/2.0') return undefined;
  if (/^SIP\/[0-9]{1,5}\.[0-9]{1,5}$/.test(version)) {
    return new SipParseError('version', 'Version Not Supported', 505);
  }
  return new SipParseError('version', 'Malformed SIP Version');
}

function parseStatusLine(line: string, headers: HeaderList, head: string | undefined): StartedMessage {
  const status = statusCode(line);
  const message = new SipResponse(status, line.slice(12), headers, head);
  const isValid = status >= 100 && status < 700 && (line.length === 11 || line.charCodeAt(11) === 0x20);
  return { message, fault: isValid ? undefined : new SipParseError('start-line', 'Malformed Status-Line') };
}

// Three digits at offset 8; COMPAT(several stacks): a missing space before an empty reason is let through.
function statusCode(line: string): number {
  const digits = line.slice(8, 11);
  return /^[1-6][0-9]{2}$/.test(digits) ? Number(digits) : 0;
}
