import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { labPorts } from './address-plan.ts';
import { findTakenPorts, socketInodes } from './free-ports.ts';

test('a taken port is named with its purpose and holder, a free one is not', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const row = { owner: 'edge', address: '127.0.0.1', port, transport: 'tcp' } as const;
  const taken = await findTakenPorts([row]);
  expect(taken).toEqual([expect.stringContaining(`127.0.0.1:${port}/tcp (for edge) is taken`)]);
  if (process.platform === 'linux') expect(taken[0]).toContain(`(pid ${process.pid})`);
  server.close();
  await once(server, 'close');
  expect(await findTakenPorts([row])).toEqual([]);
});

test('the socket table of Linux is read by address, port and state', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A0A007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 00000000:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1
   2: 0A0A007F:20FB 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 333 1
   3: 0B0A007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1`;
  const row = { owner: 'edge', address: '127.0.10.10', port: 8443, transport: 'tcp' } as const;
  expect([...socketInodes(table, row)]).toEqual(['111', '222']);
  expect([...socketInodes(table, { ...row, transport: 'udp' })]).toEqual(['111', '222', '333']);
});

test('no two listeners of the plan collide', () => {
  const keys = labPorts().map((row) => `${row.transport} ${row.address}:${row.port}`);
  expect(new Set(keys).size).toBe(keys.length);
});
