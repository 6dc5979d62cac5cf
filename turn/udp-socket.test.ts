// The UDP socket: port 0, which only a forged packet has, is nobody; what the kernel refuses is lost and the socket lives on.
import { afterEach, expect, test } from 'vitest';
import { relayRefusal, type RelayEngineError } from './relay/relay-engine.ts';
import { UdpSocket } from './udp-socket.ts';

const open: UdpSocket[] = [];
const refusal = relayRefusal;
afterEach(() => open.splice(0).forEach((socket) => socket.close()));

async function socketAt(port: number, heard: (what: string) => void = () => undefined): Promise<UdpSocket> {
  const socket = await UdpSocket.open({
    bind: { address: '127.0.0.1', port },
    bufferBytes: 65_536,
    onPacket: (bytes) => heard(bytes.toString()),
    onFailure: heard,
    refusal,
  });
  open.push(socket);
  return socket;
}

// node:dgram throws for port 0: one packet with that source would have ended the process of whoever answers it.
test('nothing is sent to port 0, nor after closing', async () => {
  const socket = await socketAt(0);
  expect(socket.send(Buffer.from('x'), '127.0.0.1', 0)).toBe(false);
  socket.close();
  expect(socket.send(Buffer.from('x'), '127.0.0.1', 9)).toBe(false);
});

test('a datagram too long for the network is lost, and the next one goes', async () => {
  const heard: string[] = [];
  const to = await socketAt(0, (what) => heard.push(`to ${what}`));
  const from = await socketAt(0, (what) => heard.push(`from ${what}`));
  from.send(Buffer.alloc(65_530), '127.0.0.1', to.bound.port);
  from.send(Buffer.from('next'), '127.0.0.1', to.bound.port);
  await expect.poll(() => heard).toEqual(['to next']);
});

test.each([
  ['a port that is taken', 'address-in-use', (taken: number) => ({ address: '127.0.0.1', port: taken })],
  ['an address of somebody else', 'bind-failed', () => ({ address: '203.0.113.1', port: 0 })],
])('%s: %s', async (_name, code, bindAt) => {
  const first = await socketAt(0);
  const bind = bindAt(first.bound.port);
  const second = UdpSocket.open({
    bind,
    bufferBytes: 65_536,
    onPacket: () => undefined,
    onFailure: () => undefined,
    refusal,
  });
  await expect(second).rejects.toThrow(
    expect.objectContaining({ name: 'RelayEngineError', code }) as RelayEngineError,
  );
});
