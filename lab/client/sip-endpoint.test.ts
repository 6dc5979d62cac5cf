import { duplexPair } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { type Clock, createRequest, createResponse, parseMessage, type SipRequest } from '../../sip/index.ts';
import { SipEndpoint } from './sip-endpoint.ts';

function setUp(maxPending = 4) {
  const [near, far] = duplexPair();
  const timers = new Map<object, () => void>();
  const clock: Clock = {
    now: () => 0,
    setTimer: (callback) => {
      const handle = {};
      timers.set(handle, callback);
      return handle;
    },
    clearTimer: (handle) => void timers.delete(handle as object),
  };
  const closed: string[] = [];
  let seed = 0;
  const endpoint = new SipEndpoint(near, {
    local: { transport: 'TCP', address: '127.0.0.2', port: 1 },
    clock,
    random: (bytes) => Buffer.alloc(bytes, (seed += 1)),
    requestTimeoutMs: 100,
    maxPending,
    onRequest: () => {},
    onClose: (reason) => closed.push(reason),
  });
  const heard: SipRequest[] = [];
  far.on('data', (bytes: Buffer) => heard.push(parseMessage(bytes) as SipRequest));
  const request = (method: string): SipRequest =>
    createRequest({
      method,
      uri: 'sip:node',
      via: endpoint.createVia(),
      from: '<sip:a@node>;tag=1',
      to: '<sip:b@node>',
      callId: 'call',
      cseq: 1,
    });
  return { endpoint, far, heard, timers, closed, request };
}

test('a refused INVITE is acknowledged with its own branch', async () => {
  const { endpoint, far, heard, timers, request } = setUp();
  const invite = request('INVITE');
  const answering = endpoint.request(invite);
  await vi.waitFor(() => expect(heard).toHaveLength(1));
  far.write(createResponse(invite, 180, 'Ringing').print());
  far.write(createResponse(invite, 486, undefined, { toTag: 'x' }).print());
  expect((await answering).status).toBe(486);
  await vi.waitFor(() => expect(heard.map((one) => one.method)).toEqual(['INVITE', 'ACK']));
  expect(heard[1]?.topVia.branch).toBe(invite.topVia.branch);
  expect(timers.size).toBe(0);
});

test('silence, a closed connection and too many requests are told apart', async () => {
  const { endpoint, far, timers, closed, request } = setUp(2);
  const late = endpoint.request(request('OPTIONS'));
  for (const expire of timers.values()) expire();
  await expect(late).rejects.toMatchObject({ code: 'timeout' });
  const open = [endpoint.request(request('OPTIONS')), endpoint.request(request('OPTIONS'))];
  const ends = open.map((one) => expect(one).rejects.toMatchObject({ code: 'closed' }));
  await expect(endpoint.request(request('OPTIONS'))).rejects.toMatchObject({ code: 'full' });
  far.end();
  await Promise.all(ends);
  expect(closed).toHaveLength(1);
  await expect(endpoint.request(request('OPTIONS'))).rejects.toMatchObject({ code: 'closed' });
});
