// A process that cannot open a door, or has a broken file, says where and ends with code 1, and nothing of it stays.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Company, foundCompany } from './company.ts';

let company: Company;
beforeAll(async () => {
  company = await foundCompany({ block: 23 });
});
afterAll(async () => company?.close());

/** Holds a port until the returned function is called. */
async function hold(transport: 'tcp' | 'udp', address: string, port: number): Promise<() => Promise<void>> {
  if (transport === 'udp') {
    const socket = createSocket('udp4');
    socket.bind(port, address);
    await once(socket, 'listening');
    return async () => {
      socket.close();
      await once(socket, 'close');
    };
  }
  const server = createServer((socket) => socket.on('error', () => undefined).destroy());
  server.listen(port, address);
  await once(server, 'listening');
  return async () => {
    server.close();
    await once(server, 'close');
  };
}

const isOpen = async (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, address);
    socket.once('connect', () => resolve((socket.destroy(), true)));
    socket.once('error', () => resolve(false));
  });

const EDGE_DOORS = [8443, 5061, 2222, 7001, 8090];
const CORE_DOORS = [5060, 8090];

const taken = [
  ...EDGE_DOORS.map((port) => ['edge', 'tcp', port] as const),
  ['edge', 'udp', 2776] as const,
  ['edge', 'udp', 2777] as const,
  ...CORE_DOORS.map((port) => ['core', 'tcp', port] as const),
];

describe('a port is taken', () => {
  test.each(taken)('%s %s %i', async (role, transport, port) => {
    const address = company.at[role];
    const release = await hold(transport, address, port);
    try {
      const started = company[role].launch();
      expect(await started.ended).toBe(1);
      expect(started.output()).toMatch(new RegExp(`${address}[: ](port )?${port}`));
      expect(started.output(), 'no stack trace for an operator').not.toMatch(/^\s+at /m);
      const doors = role === 'edge' ? EDGE_DOORS : CORE_DOORS;
      for (const door of doors.filter((one) => transport === 'udp' || one !== port))
        expect(await isOpen(address, door), `port ${door}`).toBe(false);
    } finally {
      await release();
    }
  });
});

test.each(['edge', 'core'] as const)('a broken file starts nothing: %s', async (role) => {
  const file = path.join(company.folder, `${role}.yaml`);
  appendFileSync(file, 'https-port: 1\n');
  const started = company[role].launch();
  expect(await started.ended).toBe(1);
  expect(started.output()).toMatch(new RegExp(`${role}\\.yaml:\\d+:\\d+`));
  expect(started.output()).toContain('nothing was started');
  expect(started.output()).not.toContain(`${role} is open`);
});
