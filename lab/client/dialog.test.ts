import { expect, test } from 'vitest';
import { createRequest, createResponse, type SipRequest } from '../../sip/index.ts';
import { Dialog } from './dialog.ts';

const invite = (): SipRequest =>
  createRequest({
    method: 'INVITE',
    uri: 'sip:1002@ucm',
    via: 'SIP/2.0/TCP a;branch=z9hG4bK1',
    from: '<sip:1001@ucm>;tag=caller',
    to: '<sip:1002@ucm>',
    callId: 'call',
    cseq: 7,
    headers: [
      ['Record-Route', '<sip:near;lr>, <sip:far;lr>'],
      ['Contact', '<sip:alice@a:1>'],
    ],
  });
const accepted = (request: SipRequest) =>
  createResponse(request, 200, 'OK', {
    toTag: 'callee',
    isDialogForming: true,
    headers: [['Contact', '<sip:bob@b:2>;x=1']],
  });

test('the caller turns the route set round and aims at the contact', () => {
  const dialog = Dialog.ofCaller(invite(), accepted(invite()), '<sip:alice@a:1>');
  const ack = dialog.createRequest('ACK', 'SIP/2.0/TCP a;branch=z9hG4bK2', { ackOf: 7 });
  const bye = dialog.createRequest('BYE', 'SIP/2.0/TCP a;branch=z9hG4bK3');
  expect(ack.cseq).toEqual({ number: 7, method: 'ACK' });
  expect(bye.cseq).toEqual({ number: 8, method: 'BYE' });
  expect(bye.uriText).toBe('sip:bob@b:2');
  expect(bye.headers.getAll('route')).toEqual(['<sip:far;lr>', '<sip:near;lr>']);
  expect([bye.from.tag, bye.to.tag, bye.callId]).toEqual(['caller', 'callee', 'call']);
});

test('the callee keeps the route set and swaps the ends', () => {
  const dialog = Dialog.ofCallee(invite(), 'callee', '<sip:bob@b:2>', 40);
  const reinvite = dialog.createRequest('INVITE', 'SIP/2.0/TCP b;branch=z9hG4bK4');
  expect(reinvite.cseq.number).toBe(41);
  expect(reinvite.uriText).toBe('sip:alice@a:1');
  expect(reinvite.headers.getAll('route')).toEqual(['<sip:near;lr>', '<sip:far;lr>']);
  expect([reinvite.from.tag, reinvite.to.tag]).toEqual(['callee', 'caller']);
  expect(reinvite.headers.get('contact')).toBe('<sip:bob@b:2>');
});

test('an old request is not accepted, a re-INVITE may move the other side', () => {
  const dialog = Dialog.ofCallee(invite(), 'callee', '<sip:bob@b:2>', 40);
  expect(dialog.accepts(invite())).toBe(false);
  const moved = invite();
  moved.headers.set('CSeq', '8 INVITE');
  moved.headers.set('Contact', '<sip:alice@c:3>');
  expect(dialog.accepts(moved)).toBe(true);
  dialog.refreshTarget(moved);
  expect(dialog.createRequest('BYE', 'SIP/2.0/TCP b;branch=z9hG4bK5').uriText).toBe('sip:alice@c:3');
});
