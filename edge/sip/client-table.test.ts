import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SipConnection } from '../../sip/index.ts';
import { ClientConnection } from './client-connection.ts';
import { ClientTable } from './client-table.ts';
import { MessageRate } from './message-rate.ts';

const limits = {
  maxUnproven: 2,
  firstMessageTimeoutMs: 18_000,
  unprovenTimeoutMs: 120_000,
  idleTimeoutMs: 900_000,
};

function make() {
  const ended: string[] = [];
  const table = new ClientTable(createSecretKey(Buffer.alloc(32, 1)), limits, (connection, because) => {
    ended.push(`${connection.address} ${because}`);
    table.remove(connection);
  });
  const add = (address: string, nowMs = 0) => {
    const connection = new ClientConnection(table.nextToken(), address, 1, new MessageRate(10, nowMs), nowMs);
    const heard = { lastHeard: nowMs };
    connection.attach(heard as SipConnection);
    table.add(connection);
    return { connection, heard };
  };
  return { table, ended, add };
}

describe('client connections', () => {
  test('are found by their token while they live, and told from forged ones afterwards', () => {
    const { table, add } = make();
    const { connection } = add('a');
    expect(table.find(connection.token)).toBe(connection);
    table.remove(connection);
    expect(table.find(connection.token)).toBe('gone');
    expect(table.find(connection.token.replace(/^./, 'z'))).toBe('forged');
    expect(table.find('')).toBe('forged');
    expect(table.size).toBe(0);
  });

  test('without a registration are few, and the oldest gives way', () => {
    const { table, ended, add } = make();
    const { connection } = add('a');
    table.prove(connection);
    for (const address of ['b', 'c', 'd']) add(address);
    expect(ended).toEqual(['b unproven-crowded-out']);
    expect([table.size, table.unproven]).toEqual([3, 2]);
  });

  test('end when they never speak, never register, or fall silent', () => {
    const { table, ended, add } = make();
    const user = add('user');
    table.prove(user.connection);
    add('mute');
    const stranger = add('stranger');
    for (const each of [stranger, user]) each.connection.hasSpoken = true;
    table.sweep(18_000);
    expect(ended).toEqual([]);
    table.sweep(18_001);
    table.sweep(120_001);
    user.heard.lastHeard = 120_000;
    table.sweep(1_020_000);
    expect(ended).toEqual(['mute first-message-timeout', 'stranger unproven-timeout']);
    table.sweep(1_020_001);
    expect(ended.at(-1)).toBe('user idle-timeout');
    expect(table.size).toBe(0);
  });
});
