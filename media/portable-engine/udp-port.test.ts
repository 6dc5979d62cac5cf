import { expect, test } from 'vitest';
import { UdpPort } from './udp-port.ts';

test('nothing is sent to port 0, which a forged source may have, and nobody is thrown at', async () => {
  const failures: string[] = [];
  const port = await UdpPort.open({
    bind: { address: '127.0.0.1', port: 0 },
    onPacket: () => undefined,
    onFailure: (code) => void failures.push(code),
  });
  expect(port.send(Buffer.from('x'), { address: '127.0.0.1', port: 0 })).toBe(false);
  expect(failures).toEqual([]);
  port.close();
});
