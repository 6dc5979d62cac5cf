import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMetrics, openAdmin } from './index.ts';
import type { AdminListener } from './index.ts';
import { statusPage } from './status-page.ts';

let admin: AdminListener;
let healthy = true;
const metrics = createMetrics();

beforeAll(async () => {
  admin = await openAdmin({
    address: '127.0.0.1',
    port: 0,
    title: 'edge <one>',
    metrics,
    healthy: () => healthy,
    unblock: (id) => id === 'address:192.0.2.1',
    status: () => ({ zones: [{ name: '<script>alert(1)</script>', up: true }], peers: [] }),
  });
});
afterAll(() => admin.close());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const outgoing = request(new URL(path, admin.url), { method, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });

describe('the admin listener', () => {
  it('says whether the process serves', async () => {
    expect(await get('/health')).toEqual({ status: 200, body: 'ok\n' });
    healthy = false;
    expect((await get('/health')).status).toBe(503);
    healthy = true;
  });

  it('gives the status as JSON and as a page', async () => {
    expect(JSON.parse((await get('/status')).body)).toHaveProperty('zones');
    expect((await get('/')).body).toContain('&lt;script&gt;');
  });

  it.each([
    ['a rebound name', '/status', { Host: 'evil.example' }, 'GET', 421],
    ['a change', '/status', {}, 'POST', 405],
    ['an unknown page', '/etc/passwd', {}, 'GET', 404],
  ])('refuses %s', async (_, path, headers, method, expected) =>
    expect((await get(path, headers as Record<string, string>, method)).status).toBe(expected),
  );

  it.each([
    ['who is shut out', '/bans/unblock?id=address:192.0.2.1', { 'X-Viaduct': 'unblock' }, 200],
    ['nobody', '/bans/unblock?id=address:192.0.2.2', { 'X-Viaduct': 'unblock' }, 404],
    ['nothing named', '/bans/unblock', { 'X-Viaduct': 'unblock' }, 404],
    ['another thing', '/sessions?id=1', { 'X-Viaduct': 'unblock' }, 404],
    ['a page of another origin', '/bans/unblock?id=address:192.0.2.1', {}, 405],
  ])('lets in again: %s', async (_, path, headers, expected) =>
    expect((await get(path, headers as Record<string, string>, 'POST')).status).toBe(expected),
  );

  const capture = { 'X-Viaduct': 'capture' };
  it.each([
    ['wherever it is not allowed', '/capture?call=a&view=wire&seconds=1', capture, 403],
    ['without its header', '/capture?call=a&view=wire&seconds=1', {}, 405],
  ])('captures nothing %s', async (_, path, headers, expected) =>
    expect((await get(path, headers as Record<string, string>, 'POST')).status).toBe(expected),
  );

  it('captures a call where that is allowed, for a name and a time that are bounded', async () => {
    const orders: object[] = [];
    const allowed = await openAdmin({
      address: '127.0.0.1',
      port: 0,
      title: 'core',
      metrics,
      healthy: () => true,
      status: () => ({}),
      capture: async (order) => {
        orders.push(order);
        return order.callId === 'here' ? Buffer.from('pcap') : undefined;
      },
    });
    const ask = async (query: string): Promise<[number, string]> => {
      const response = await fetch(`${allowed.url}capture?${query}`, { method: 'POST', headers: capture });
      return [response.status, await response.text()];
    };
    expect(await ask('call=here&view=plain&seconds=2&by=alice%20%0Aroot')).toEqual([200, 'pcap']);
    expect((await ask('call=gone&view=wire&seconds=60'))[0]).toBe(404);
    for (const wrong of ['view=wire&seconds=1', 'call=a&view=keys&seconds=1', 'call=a&view=wire&seconds=61'])
      expect((await ask(wrong))[0]).toBe(400);
    expect(orders).toEqual([
      { callId: 'here', view: 'plain', ms: 2000, by: 'alice??root' },
      { callId: 'gone', view: 'wire', ms: 60_000, by: '' },
    ]);
    await allowed.close();
  });

  it('counts by component, event and reason, and refuses to grow without end', async () => {
    const count = metrics.counter('sip');
    count('refused', 'no-registration');
    count('refused', 'no-registration');
    for (let index = 0; index < 3_000; index += 1) count('refused', `from-a-peer-${index}`);
    const { body } = await get('/metrics');
    expect(body).toContain(
      'viaduct_events_total{component="sip",event="refused",reason="no-registration"} 2',
    );
    expect(body).toContain('component="metrics",event="series-refused"');
    expect(body.match(/from-a-peer/g)?.length).toBeLessThan(2_001);
  });
});

it('the page escapes what a peer may have sent', () =>
  expect(statusPage('t', false, { cause: '"><img src=x onerror=1>' })).not.toContain('<img'));
