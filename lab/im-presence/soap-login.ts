// The SOAP login of IM and Presence, `/EPASSoap/service/…` on 8443 (mra-wire §4.3): login with a password or a token, a
// session key, a one-time password for CISCO-VTG-TOKEN. Steps and action names are the known ones; the elements inside the
// body are this lab's own, because no public page shows them.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Element, parse } from 'ltx';
import type { IssuedCertificate } from '../authority/authority.ts';
import type { Credentials } from './credentials.ts';

export const SOAP_ACTION = 'urn:cisco:epas:soap/EpasSoapServiceInterface/';
const NS_SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';
const MAX_BODY = 16_384;
const MAX_SESSIONS = 100;
const PATH = /^\/EPASSoap\/service\/(?:v70|v80|v105|latest)$/;

/** The HTTPS server of the login, not yet listening. */
export function createSoapLogin(credentials: Credentials, certificate: IssuedCertificate): Server {
  const sessions = new Map<string, string>();
  const answer = (action: string, asked: Element): Element | undefined => {
    const text = (name: string): string => asked.getChildText(name) ?? '';
    if (action === 'login') {
      const token = text('token');
      const user =
        token === '' ? credentials.byPassword(text('user'), text('password')) : credentials.byToken(token);
      if (user === undefined) return undefined;
      const key = randomBytes(16).toString('hex');
      sessions.set(key, user);
      for (const oldest of sessions.keys()) if (sessions.size > MAX_SESSIONS) sessions.delete(oldest);
      return new Element('login-response').c('session-key').t(key).root();
    }
    const user = sessions.get(text('session-key'));
    if (action !== 'get-onetime-password' || user === undefined) return undefined;
    return new Element('get-onetime-password-response')
      .c('password')
      .t(credentials.oneTimePassword(user))
      .root();
  };
  return createServer({ cert: certificate.chain, key: certificate.key }, (request, response) => {
    void respond(request, response, answer);
  });
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (action: string, asked: Element) => Element | undefined,
): Promise<void> {
  try {
    const body = await read(request);
    const action = String(request.headers['soapaction'] ?? '').replaceAll('"', '');
    if (request.method !== 'POST' || !PATH.test(request.url ?? '') || !action.startsWith(SOAP_ACTION))
      return void response.writeHead(404).end();
    const asked = parse(body).getChild('Body', NS_SOAP)?.getChildElements()[0];
    const told = asked && answer(action.slice(SOAP_ACTION.length), asked);
    const envelope = new Element('soap:Envelope', { 'xmlns:soap': NS_SOAP });
    envelope.c('soap:Body').cnode(told ?? new Element('soap:Fault').c('faultcode').t('soap:Client').root());
    response.writeHead(told === undefined ? 500 : 200, { 'Content-Type': 'text/xml; charset=utf-8' });
    response.end(envelope.toString());
  } catch {
    response.destroy();
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY) throw new Error('the body is too long');
  }
  return body;
}
