// Answers core makes itself: refusals with the status clients know, and documents. A refusal has no body and tells the
// client nothing but its status; the log has the rest.
import type { Deny } from '../../auth/index.ts';
import { HeaderList, reasonPhrase, type ServerExchange } from '../../http/index.ts';
import { escapeXml } from './xml-text.ts';

/** `Server` in answers of the edge-configuration service. */
export const serverName = 'CE_C ECS';
/** `Server` where clients expect the answer of the edge itself: an unknown domain. */
const edgeServerName = 'CE_E';
/** A request body up to this is read and dropped before the answer, so that the connection can be used again. */
const maxDroppedBytes = 65_536;
/** How long a small body may take to arrive before the answer goes without it: a round trip or two. */
const patienceMs = 1000;

/** Refuses as the verdict says: 401 with the challenge, 429 and 503 with the time to wait. */
export function answerDeny(exchange: ServerExchange, verdict: Deny): void {
  const headers = HeaderList.of(['Server', serverName]);
  if (verdict.code === 401) headers.append('WWW-Authenticate', challengeFor(verdict.reason));
  if (verdict.retryAfterS !== undefined) headers.append('Retry-After', String(verdict.retryAfterS));
  answerEmpty(exchange, verdict.code, headers);
}

/** Whoever came with a token is told that about tokens (RFC 6750 §3), anybody else what clients know: Basic. */
function challengeFor(reason: Deny['reason']): string {
  if (!reason.startsWith('token-')) return 'Basic realm="Cisco-Edge"';
  return reason === 'token-missing'
    ? 'Bearer realm="Cisco-Edge"'
    : 'Bearer realm="Cisco-Edge", error="invalid_token"';
}

/** A domain nobody here serves. */
export function answerUnknownDomain(exchange: ServerExchange): void {
  answerEmpty(exchange, 403, HeaderList.of(['Server', edgeServerName]));
}

export function answerStatus(exchange: ServerExchange, status: number, phrase = reasonPhrase(status)): void {
  answerEmpty(exchange, status, HeaderList.of(['Server', serverName]), phrase);
}

/** Sends the browser elsewhere; the address may hold a token, so that it must not be stored or told on. */
export function answerRedirect(
  exchange: ServerExchange,
  status: 302 | 303,
  location: string,
  setCookie: string,
): void {
  const headers = HeaderList.of(
    ['Server', serverName],
    ['Location', location],
    ['Set-Cookie', setCookie],
    ['Cache-Control', 'no-store'],
    ['Referrer-Policy', 'no-referrer'],
  );
  answerEmpty(exchange, status, headers);
}

/** A page for a person: one heading, one sentence, no script. */
export function answerPage(
  exchange: ServerExchange,
  status: number,
  heading: string,
  sentence: string,
  retryAfterS?: number,
): void {
  const headers = HeaderList.of(
    ['Date', new Date().toUTCString()],
    ['Server', serverName],
    ['Content-Type', 'text/html; charset=UTF-8'],
    ['Cache-Control', 'no-store'],
    ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
    ['Referrer-Policy', 'no-referrer'],
    ['X-Content-Type-Options', 'nosniff'],
  );
  if (retryAfterS !== undefined) headers.append('Retry-After', String(retryAfterS));
  const page =
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeXml(heading)}</title>` +
    `<h1>${escapeXml(heading)}</h1><p>${escapeXml(sentence)}</p></html>`;
  afterBody(exchange, () => exchange.respond({ status, reasonPhrase: reasonPhrase(status), headers }, page));
}

/** An XML document that must not be stored on the way. */
export function answerDocument(
  exchange: ServerExchange,
  document: string,
  setCookie: string | undefined,
): void {
  const headers = HeaderList.of(
    ['Date', new Date().toUTCString()],
    ['Server', serverName],
    ['Content-Type', 'text/xml; charset=UTF-8'],
    ['Cache-Control', 'no-store'],
  );
  if (setCookie !== undefined) headers.append('Set-Cookie', setCookie);
  afterBody(exchange, () => exchange.respond({ status: 200, reasonPhrase: 'OK', headers }, document));
}

function answerEmpty(
  exchange: ServerExchange,
  status: number,
  headers: HeaderList,
  phrase = reasonPhrase(status),
): void {
  headers.append('Date', new Date().toUTCString());
  afterBody(exchange, () => exchange.respond({ status, reasonPhrase: phrase, headers }));
}

/**
 * An answer before the end of a body costs the connection: worth it only for a large one, one not sent yet, or one that
 * does not come. Channels are few, and whoever is refused must not hold one by dribbling.
 */
function afterBody(exchange: ServerExchange, answer: () => void): void {
  const { body, request } = exchange;
  const small = typeof body.length === 'number' && body.length <= maxDroppedBytes && !request.expectContinue;
  if (body.complete || !small) return answer();
  const patience = setTimeout(answer, patienceMs);
  body.collect(maxDroppedBytes).then(
    () => {
      clearTimeout(patience);
      if (!exchange.answered) answer();
    },
    () => clearTimeout(patience),
  );
}
