// The first half of most dialogues: a phone registers and the registrar grants it.
import { play, type Actor, type Captures } from './dialogue.ts';
import type { Pair } from './pair.ts';

export interface Device {
  readonly user: string;
  readonly host: string;
  readonly instance?: string;
  readonly expires?: number;
  readonly cseq?: number;
}

/** The contact URI of a device, as it writes it itself. */
export function contactOf({ user, host }: Device): string {
  return `sip:${user}-line@${host};transport=tls`;
}

/** The same as the registrar sees it. */
export function rewrittenOf({ user, host }: Device): string {
  return `sip:${user}-line@10.15.20.10:5060;transport=tcp;orig-hostport=${host}`;
}

let sequence = 0;

/** Registers `device` over `phone`; resolves with the registrar's end of core's connection. */
export async function signIn(pair: Pair, phone: Actor, device: Device, known?: Actor): Promise<Actor> {
  sequence += 1;
  const { user, host, expires = 120 } = device;
  const instance = device.instance === undefined ? '' : `;+sip.instance="${device.instance}"`;
  const captures: Captures = new Map();
  await play(
    `
    phone sends:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: SIP/2.0/TLS ${host};branch=z9hG4bKreg${sequence}
      Max-Forwards: 70
      From: <sip:${user}@example.com>;tag=r${sequence}
      To: <sip:${user}@example.com>
      Call-ID: reg-${user}-${host}
      CSeq: ${device.cseq ?? sequence} REGISTER
      Contact: <${contactOf(device)}>${instance}
      Expires: ${expires}
    `,
    { phone },
    captures,
  );
  const registrar = known ?? (await pair.registrar());
  const granted = expires === 0 ? '' : `Contact: <${rewrittenOf(device)}>${instance};x-cisco-newreg`;
  await play(
    `
    registrar receives:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: {via1}
      Via: {via2}
      Via: {via3}
      ...
    registrar sends:
      SIP/2.0 200 OK
      Via: {via1}
      Via: {via2}
      Via: {via3}
      From: <sip:${user}@example.com>;tag=r${sequence}
      To: <sip:${user}@example.com>;tag=reg
      Call-ID: reg-${user}-${host}
      CSeq: ${device.cseq ?? sequence} REGISTER
      ${granted === '' ? 'Server: test' : granted}
      Expires: ${expires}
    phone receives:
      SIP/2.0 200 OK
      Via: SIP/2.0/TLS ${host};branch=z9hG4bKreg${sequence};received=*;rport=*;ingress-zone=CollaborationEdgeZone
      ...
      ${granted === '' ? 'Server: test' : granted}
      ...
    `,
    { phone, registrar },
    captures,
  );
  return registrar;
}
