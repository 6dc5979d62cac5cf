// The layer between two scripted transports: matching, bounds, CANCEL, ACK, Timer C. Time moves by hand.

import { describe, expect, it } from 'vitest';
import type { ClientFailure } from './client-transaction.ts';
import { createRequest, createResponse } from './build.ts';
import { HandClock } from './hand-clock.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { parseMessage } from './parse.ts';
import { SipParseError } from './parse-error.ts';
import type { ServerTransaction } from './server-transaction.ts';
import { TransactionLayer } from './transaction-layer.ts';
import type { LayerEvent, TransactionUser } from './transaction-layer.ts';
import { RFC_TIMINGS } from './transaction-machine.ts';
import type { SipTransport } from './transport.ts';

class Wire implements SipTransport {
  sent: (SipRequest | SipResponse)[] = [];
  isOpen = true;
  readonly id: string;
  readonly scope: string;
  readonly isReliable: boolean;
  constructor(scope: string, isReliable = true, id = scope) {
    this.id = id;
    this.scope = scope;
    this.isReliable = isReliable;
  }
  send(bytes: Buffer): boolean {
    if (!this.isOpen) return false;
    this.sent.push(parseMessage(bytes));
    return true;
  }
  /** What was sent since the last look, as first lines. */
  take(): string[] {
    return this.sent.splice(0).map((message) => `${message.startLine} [${message.cseq.method}]`);
  }
}

function setUp(overrides: { maxTransactions?: number; find?: () => SipTransport | undefined } = {}) {
  const clock = new HandClock();
  const heard: string[] = [];
  const counted: LayerEvent[] = [];
  const requests: ServerTransaction[] = [];
  let seed = 0;
  const user: TransactionUser = {
    onRequest: (transaction) => {
      heard.push(`request ${transaction.request.method}`);
      requests.push(transaction);
      void transaction.request.contacts;
    },
    onAck: (ack, _transport, invite) =>
      heard.push(`ack ${ack.cseq.number} ${invite === undefined ? 'alone' : 'of invite'}`),
    onCancel: (invite) => heard.push(`cancel of ${invite.request.method}`),
    onStrayResponse: (response) => heard.push(`stray ${response.status}`),
    onServerFailure: (_transaction, reason) => heard.push(`server failed: ${reason}`),
  };
  const layer = new TransactionLayer(
    {
      timings: RFC_TIMINGS,
      maxTransactions: overrides.maxTransactions ?? 100,
      retryAfterSeconds: 5,
      tickMs: 10,
      clock,
      random: (count) => Buffer.alloc(count, ++seed),
      count: (event) => counted.push(event),
      sendsTrying: true,
      findTransport: () => overrides.find?.(),
    },
    user,
  );
  return { clock, layer, heard, counted, requests };
}

function request(
  method: string,
  branch: string,
  extra: { toTag?: string; contact?: string; cseq?: number } = {},
) {
  return createRequest({
    method,
    uri: 'sip:bob@example.com',
    via: `SIP/2.0/TLS host:5061;branch=${branch}`,
    from: '<sip:alice@example.com>;tag=a',
    to: extra.toTag === undefined ? '<sip:bob@example.com>' : `<sip:bob@example.com>;tag=${extra.toTag}`,
    callId: 'call-1',
    cseq: extra.cseq ?? 1,
    headers: extra.contact === undefined ? [] : [['Contact', extra.contact]],
  });
}

function sender() {
  const heard: string[] = [];
  return {
    heard,
    onResponse: (response: SipResponse) => void heard.push(String(response.status)),
    onFailure: (reason: ClientFailure) => void heard.push(reason),
  };
}

describe('server side', () => {
  it('answers an INVITE with 100 at once, a copy with the latest response, and absorbs the ACK of a refusal', () => {
    const { layer, heard, requests, counted } = setUp();
    const wire = new Wire('a', false);
    layer.receive(request('INVITE', 'z9hG4bK1'), wire);
    expect(wire.take()).toEqual(['SIP/2.0 100 Trying [INVITE]']);
    requests[0]?.reply(486);
    layer.receive(request('INVITE', 'z9hG4bK1'), wire);
    expect(wire.take()).toEqual(['SIP/2.0 486 Busy Here [INVITE]', 'SIP/2.0 486 Busy Here [INVITE]']);
    layer.receive(request('ACK', 'z9hG4bK1', { toTag: requests[0]?.ownTag ?? '' }), wire);
    expect(heard).toEqual(['request INVITE']);
    expect(counted).toEqual(['retransmission']);
  });

  it('repeats a refusal over UDP by Timer G and forgets everything in the end', () => {
    const { layer, clock, requests, heard } = setUp();
    const wire = new Wire('a', false);
    layer.receive(request('INVITE', 'z9hG4bK1'), wire);
    requests[0]?.reply(404);
    wire.take();
    clock.move(1500);
    expect(wire.take()).toHaveLength(2);
    clock.move(40_000);
    expect(layer.size).toBe(0);
    expect(heard).toEqual(['request INVITE', 'server failed: timeout']);
    expect(clock.timers.size).toBe(0);
  });

  it('lets more than one 2xx through and hands the ACK of a 2xx to the user', () => {
    const { layer, requests, heard, clock } = setUp();
    const wire = new Wire('a');
    layer.receive(request('INVITE', 'z9hG4bK1'), wire);
    const [invite] = requests;
    expect(invite?.reply(200)).toBe(true);
    expect(invite?.reply(200)).toBe(true);
    expect(invite?.reply(486)).toBe(false);
    expect(wire.take()).toHaveLength(3);
    layer.receive(request('ACK', 'z9hG4bK2', { toTag: 'b' }), wire);
    layer.receive(request('ACK', 'z9hG4bK1', { toTag: 'b' }), wire);
    expect(heard).toEqual(['request INVITE', 'ack 1 alone', 'ack 1 of invite']);
    clock.move(32_100);
    expect(layer.size).toBe(0);
  });

  it('answers a CANCEL and tells the user only while the INVITE is open', () => {
    const { layer, requests, heard, counted } = setUp();
    const wire = new Wire('a');
    layer.receive(request('CANCEL', 'z9hG4bK9'), wire);
    expect(wire.take()).toEqual(['SIP/2.0 481 Call/Transaction Does Not Exist [CANCEL]']);
    layer.receive(request('INVITE', 'z9hG4bK1'), wire);
    layer.receive(request('CANCEL', 'z9hG4bK1'), wire);
    expect(wire.take()).toEqual(['SIP/2.0 100 Trying [INVITE]', 'SIP/2.0 200 OK [CANCEL]']);
    requests[0]?.reply(487);
    layer.receive(request('CANCEL', 'z9hG4bK1', { cseq: 1 }), wire);
    expect(heard).toEqual(['request INVITE', 'cancel of INVITE']);
    expect(counted).toContain('stray-cancel');
  });

  it("keeps one peer's branch from touching another's transaction", () => {
    const { layer, heard } = setUp();
    const victim = new Wire('victim');
    const attacker = new Wire('attacker');
    layer.receive(request('INVITE', 'z9hG4bK1'), victim);
    victim.take();
    layer.receive(request('CANCEL', 'z9hG4bK1'), attacker);
    layer.receive(request('INVITE', 'z9hG4bK1'), attacker);
    expect(attacker.take()).toEqual([
      'SIP/2.0 481 Call/Transaction Does Not Exist [CANCEL]',
      'SIP/2.0 100 Trying [INVITE]',
    ]);
    expect(victim.take()).toEqual([]);
    expect(heard).toEqual(['request INVITE', 'request INVITE']);
  });

  it('refuses a request without the magic cookie and never answers an ACK', () => {
    const { layer, counted } = setUp();
    const wire = new Wire('a');
    layer.receive(request('OPTIONS', 'old-branch'), wire);
    layer.receive(request('ACK', 'old-branch'), wire);
    layer.receive(request('OPTIONS', 'z9hG4bK'), wire);
    expect(wire.take()).toEqual(['SIP/2.0 400 Bad Request [OPTIONS]', 'SIP/2.0 400 Bad Request [OPTIONS]']);
    expect(counted).toEqual(['no-magic-cookie', 'no-magic-cookie', 'no-magic-cookie']);
  });

  it('answers 503 with Retry-After when full and keeps a reserve for hanging up', () => {
    const { layer, counted } = setUp({ maxTransactions: 8 });
    const wire = new Wire('a');
    for (let index = 0; index < 9; index++) layer.receive(request('OPTIONS', `z9hG4bK${index}x`), wire);
    const refusal = wire.sent.at(-1);
    expect(refusal?.startLine).toBe('SIP/2.0 503 Service Unavailable');
    expect(refusal?.headers.get('retry-after')).toBe('5');
    layer.receive(request('BYE', 'z9hG4bKbye', { toTag: 'b' }), wire);
    expect(layer.size).toBe(9);
    layer.receive(request('BYE', 'z9hG4bKbye2', { toTag: 'b' }), wire);
    expect(layer.size).toBe(9);
    expect(counted).toEqual(['full', 'full']);
  });

  it('turns a SipParseError of the user into the answer', () => {
    const { layer, counted } = setUp();
    const wire = new Wire('a');
    layer.receive(request('MESSAGE', 'z9hG4bK1', { contact: '<sip:broken' }), wire);
    expect(wire.take()).toEqual(['SIP/2.0 400 Malformed Address [MESSAGE]']);
    expect(counted).toEqual(['refused-by-parser']);
  });

  it('sends the response over another connection of the same peer when the first is gone', () => {
    const second = new Wire('peer', true, 'second');
    const { layer, requests } = setUp({ find: () => second });
    const first = new Wire('peer', true, 'first');
    layer.receive(request('MESSAGE', 'z9hG4bK1'), first);
    first.isOpen = false;
    requests[0]?.reply(200);
    expect(second.take()).toEqual(['SIP/2.0 200 OK [MESSAGE]']);
  });

  it('tells the user when a response can no longer be delivered', async () => {
    const { layer, requests, heard, counted } = setUp();
    const wire = new Wire('a');
    layer.receive(request('INVITE', 'z9hG4bK1'), wire);
    wire.isOpen = false;
    requests[0]?.reply(180);
    await Promise.resolve();
    expect(heard).toEqual(['request INVITE', 'server failed: transport']);
    expect(counted).toEqual(['response-undeliverable']);
    expect(layer.size).toBe(0);
  });
});

describe('client side', () => {
  it('matches responses by branch, method and scope', () => {
    const { layer, heard } = setUp();
    const wire = new Wire('core');
    const caller = sender();
    const invite = request('INVITE', 'z9hG4bKabc');
    layer.request(invite, wire, caller);
    expect(wire.take()).toEqual(['INVITE sip:bob@example.com SIP/2.0 [INVITE]']);
    const ok = createResponse(invite, 200, undefined, { toTag: 'b' });
    layer.receive(ok, new Wire('forger'));
    layer.receive(createResponse(request('OPTIONS', 'z9hG4bKabc'), 200), wire);
    expect(heard).toEqual(['stray 200', 'stray 200']);
    layer.receive(createResponse(invite, 180, undefined, { toTag: 'b' }), wire);
    layer.receive(ok, wire);
    layer.receive(ok, wire);
    expect(caller.heard).toEqual(['180', '200', '200']);
    expect(wire.take()).toEqual([]);
  });

  it('acknowledges a refusal itself, with the To of the response and the INVITE route', () => {
    const { layer } = setUp();
    const wire = new Wire('core');
    const caller = sender();
    const invite = request('INVITE', 'z9hG4bKabc');
    invite.headers.append('Route', '<sip:proxy;lr>');
    layer.request(invite, wire, caller);
    wire.take();
    layer.receive(createResponse(invite, 603, undefined, { toTag: 'zz' }), wire);
    const [ack] = wire.sent;
    expect(ack?.startLine).toBe('ACK sip:bob@example.com SIP/2.0');
    expect(ack?.to.tag).toBe('zz');
    expect(ack?.headers.getAll('route')).toEqual(['<sip:proxy;lr>']);
    expect(ack?.topVia.branch).toBe('z9hG4bKabc');
    expect(layer.size).toBe(0);
    expect(caller.heard).toEqual(['603']);
  });

  it('holds a CANCEL back until the first provisional response', () => {
    const { layer, clock } = setUp();
    const wire = new Wire('core');
    const caller = sender();
    const invite = request('INVITE', 'z9hG4bKabc');
    const transaction = layer.request(invite, wire, caller);
    transaction.cancel([['Reason', 'SIP;cause=200']]);
    expect(wire.take()).toHaveLength(1);
    layer.receive(createResponse(invite, 100), wire);
    expect(wire.sent[0]?.headers.get('reason')).toBe('SIP;cause=200');
    expect(wire.take()).toEqual(['CANCEL sip:bob@example.com SIP/2.0 [CANCEL]']);
    transaction.cancel();
    expect(wire.take()).toEqual([]);
    clock.move(31_900);
    expect(caller.heard).toEqual(['100']);
    clock.move(200);
    expect(caller.heard).toEqual(['100', 'timeout']);
    expect(layer.size).toBe(0);
  });

  it('cancels a call that rings longer than Timer C, restarted by each provisional response', () => {
    const { layer, clock } = setUp();
    const wire = new Wire('core');
    const caller = sender();
    const invite = request('INVITE', 'z9hG4bKabc');
    layer.request(invite, wire, caller, { timerCMs: 180_000 });
    layer.receive(createResponse(invite, 180, undefined, { toTag: 'b' }), wire);
    clock.move(170_000);
    layer.receive(createResponse(invite, 180, undefined, { toTag: 'b' }), wire);
    clock.move(170_000);
    wire.take();
    clock.move(10_020);
    expect(wire.take()).toEqual(['CANCEL sip:bob@example.com SIP/2.0 [CANCEL]']);
    layer.receive(createResponse(invite, 487, undefined, { toTag: 'b' }), wire);
    expect(caller.heard).toEqual(['180', '180', '487']);
  });

  it('fails what waits for a transport that is gone, and what is sent over one', async () => {
    const { layer } = setUp();
    const wire = new Wire('core');
    const first = sender();
    const second = sender();
    layer.request(request('REGISTER', 'z9hG4bKa1'), wire, first);
    wire.isOpen = false;
    layer.transportClosed(wire);
    expect(first.heard).toEqual(['transport']);
    layer.request(request('REGISTER', 'z9hG4bKa2'), wire, second);
    expect(second.heard).toEqual([]);
    await Promise.resolve();
    expect(second.heard).toEqual(['transport']);
    expect(layer.size).toBe(0);
  });

  it('retransmits over UDP and times out after 32 s', () => {
    const { layer, clock } = setUp();
    const wire = new Wire('core', false);
    const caller = sender();
    layer.request(request('OPTIONS', 'z9hG4bKa1'), wire, caller);
    clock.move(31_990);
    expect(wire.take()).toHaveLength(11);
    clock.move(20);
    expect(caller.heard).toEqual(['timeout']);
    expect(clock.timers.size).toBe(0);
  });

  it('turns a final response that cannot be read into a failure, and drops a provisional one', () => {
    const { layer, counted } = setUp();
    const wire = new Wire('core');
    const heard: string[] = [];
    const invite = request('INVITE', 'z9hG4bKabc');
    layer.request(invite, wire, {
      onResponse: (response) => void heard.push(`${response.status} ${response.contacts.length}`),
      onFailure: (reason) => void heard.push(reason),
    });
    const broken = { toTag: 'b', headers: [['Contact', '<sip:x'] as const] };
    layer.receive(createResponse(invite, 180, undefined, broken), wire);
    layer.receive(createResponse(invite, 200, undefined, broken), wire);
    expect(heard).toEqual(['malformed']);
    expect(counted).toEqual(['refused-by-parser', 'refused-by-parser']);
  });

  it('refuses to send when full and when a branch is used twice', async () => {
    const { layer } = setUp({ maxTransactions: 1 });
    const wire = new Wire('core');
    const caller = sender();
    layer.request(request('OPTIONS', 'z9hG4bKa1'), wire, sender());
    layer.request(request('OPTIONS', 'z9hG4bKa2'), wire, caller);
    await Promise.resolve();
    expect(caller.heard).toEqual(['full']);
    expect(() => layer.request(request('OPTIONS', 'z9hG4bKa1'), wire, caller)).toThrow('branch');
  });

  it('forgets everything on close and stays closed', () => {
    const { layer, clock, heard } = setUp();
    const wire = new Wire('core', false);
    const caller = sender();
    layer.request(request('INVITE', 'z9hG4bKa1'), wire, caller);
    layer.receive(request('INVITE', 'z9hG4bKb1'), wire);
    layer.close();
    layer.close();
    layer.receive(request('INVITE', 'z9hG4bKb2'), wire);
    clock.move(200_000);
    expect([layer.size, clock.timers.size, caller.heard, heard]).toEqual([0, 0, [], ['request INVITE']]);
  });
});

it('keeps SipParseError apart from errors of our own', () => {
  expect(new SipParseError('uri', 'x')).toBeInstanceOf(Error);
});
