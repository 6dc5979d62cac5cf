// Dialogs, and the messages this side makes.

import { describe, expect, it } from 'vitest';
import { createAck, createCancel, createRequest, createResponse } from './build.ts';
import { Dialog, dialogKey, dialogKeyOf } from './dialog.ts';
import { createBranch, createTag } from './identifiers.ts';
import { parseMessage } from './parse.ts';
import type { SipRequest } from './message.ts';

const random = (count: number): Buffer => Buffer.alloc(count, 0xab);

function invite(): SipRequest {
  return createRequest({
    method: 'INVITE',
    uri: 'sip:bob@example.com',
    via: 'SIP/2.0/TLS alice:5061;branch=z9hG4bKa',
    from: '<sip:alice@example.com>;tag=fa',
    to: '<sip:bob@example.com>',
    callId: 'c1',
    cseq: 10,
    headers: [
      ['Contact', '<sip:alice@10.0.0.1:5061;transport=tls>'],
      ['Record-Route', '<sip:p1;lr>, <sip:p2;lr>'],
      ['Timestamp', '54'],
    ],
    body: Buffer.from('v=0'),
    contentType: 'application/sdp',
  });
}

describe('building', () => {
  it('prints a request that parses to itself', () => {
    const request = invite();
    const parsed = parseMessage(request.print());
    expect(parsed.print()).toEqual(request.print());
    expect([parsed.maxForwards, parsed.body.toString(), parsed.headers.get('content-type')]).toEqual([
      70,
      'v=0',
      'application/sdp',
    ]);
  });

  it('copies what a response must have, and no more', () => {
    const names = (status: number, isDialogForming = false): string[] =>
      createResponse(invite(), status, undefined, { toTag: 'tb', isDialogForming }).headers.lines.map(
        (line) => line.key,
      );
    expect(names(100)).toEqual(['via', 'from', 'to', 'call-id', 'cseq', 'timestamp', 'content-length']);
    expect(names(486)).toEqual(['via', 'from', 'to', 'call-id', 'cseq', 'content-length']);
    expect(names(200, true)).toContain('record-route');
  });

  it('does not tag a To that has a tag', () => {
    const request = invite();
    request.headers.set('To', '<sip:bob@example.com>;tag=old');
    expect(createResponse(request, 200, undefined, { toTag: 'new' }).to.tag).toBe('old');
  });

  it('builds CANCEL and the ACK of a refusal from the INVITE', () => {
    const request = invite();
    request.headers.append('Route', '<sip:edge;lr>');
    const cancel = parseMessage(createCancel(request).print());
    expect([cancel.startLine, cancel.cseq, cancel.topVia.branch, cancel.headers.getAll('route')]).toEqual([
      'CANCEL sip:bob@example.com SIP/2.0',
      { number: 10, method: 'CANCEL' },
      'z9hG4bKa',
      ['<sip:edge;lr>'],
    ]);
    const ack = parseMessage(
      createAck(request, createResponse(request, 404, undefined, { toTag: 'tb' })).print(),
    );
    expect([ack.to.tag, ack.cseq, ack.vias.length, ack.body.length]).toEqual([
      'tb',
      { number: 10, method: 'ACK' },
      1,
      0,
    ]);
  });

  it('makes branches and tags from the randomness given', () => {
    expect(createBranch(random, 'x')).toBe(`z9hG4bK${'ab'.repeat(16)}.x`);
    expect(createTag(random)).toBe('ab'.repeat(8));
  });
});

describe('dialog', () => {
  function pair(): { caller: Dialog; callee: Dialog } {
    const request = invite();
    const response = createResponse(request, 200, undefined, {
      toTag: 'tb',
      isDialogForming: true,
      headers: [['Contact', '<sip:bob@10.0.0.2:5060>']],
    });
    return { caller: Dialog.ofCaller(request, response), callee: Dialog.ofCallee(request, 'tb') };
  }

  it('routes both ways: the caller reverses Record-Route, the callee does not', () => {
    const { caller, callee } = pair();
    const via = 'SIP/2.0/TLS h;branch=z9hG4bKb';
    const bye = caller.request('BYE', { via });
    expect([
      bye.uriText,
      bye.headers.getAll('route'),
      bye.cseq.number,
      bye.from.tag,
      bye.to.tag,
      caller.nextHop,
    ]).toEqual(['sip:bob@10.0.0.2:5060', ['<sip:p2;lr>', '<sip:p1;lr>'], 11, 'fa', 'tb', 'sip:p2;lr']);
    const back = callee.request('BYE', { via });
    expect([back.uriText, back.headers.getAll('route'), back.from.tag, back.to.tag]).toEqual([
      'sip:alice@10.0.0.1:5061;transport=tls',
      ['<sip:p1;lr>', '<sip:p2;lr>'],
      'tb',
      'fa',
    ]);
    expect(caller.key).toBe(callee.key);
    expect([dialogKeyOf(bye), dialogKeyOf(back), dialogKeyOf(invite())]).toEqual([
      caller.key,
      caller.key,
      undefined,
    ]);
    expect(dialogKey('c', 'a', 'b')).toBe(dialogKey('c', 'b', 'a'));
  });

  it('acknowledges with the number of the INVITE', () => {
    const ack = pair().caller.ack(10, { via: 'SIP/2.0/TLS h;branch=z9hG4bKb' });
    expect([ack.cseq, ack.headers.getAll('route').length]).toEqual([{ number: 10, method: 'ACK' }, 2]);
  });

  it('puts a strict router into the Request-URI', () => {
    const request = invite();
    request.headers.set('Record-Route', '<sip:strict>, <sip:p2;lr>');
    const bye = Dialog.ofCallee(request, 'tb').request('BYE', { via: 'SIP/2.0/TLS h;branch=z9hG4bKb' });
    expect([bye.uriText, bye.headers.getAll('route')]).toEqual([
      'sip:strict',
      ['<sip:p2;lr>', '<sip:alice@10.0.0.1:5061;transport=tls>'],
    ]);
  });

  it('refuses requests out of order and moves the target', () => {
    const { caller, callee } = pair();
    const via = 'SIP/2.0/TLS h;branch=z9hG4bKb';
    const update = caller.request('UPDATE', { via, headers: [['Contact', '<sip:alice@10.9.9.9>']] });
    callee.accept(update);
    expect(callee.state.remoteTarget).toBe('sip:alice@10.9.9.9');
    expect(() => callee.accept(update)).toThrow(expect.objectContaining({ status: 500 }));
    callee.accept(caller.ack(10, { via }));
    callee.accept(caller.request('BYE', { via }));
  });
});
