// Sections that edge's and core's files have in common: log, admin listener, state directory, included zone files.
import { z } from 'zod';
import { filePath } from './reading-context.ts';
import { choice, count, ipAddress, port, toggle } from './units.ts';

export const logSection = z
  .strictObject({
    level: choice(['debug', 'info', 'warn', 'error'], 'info').describe(
      'Least severity that is written. `info` has one line per request, registration and call; `debug` adds link and transaction detail.',
    ),
  })
  .prefault({})
  .describe('Structured log, one JSON object per line on standard output.');

export const adminSection = z
  .strictObject({
    enabled: toggle(true).describe('Serve status, health and metrics.'),
    address: ipAddress()
      .default('127.0.0.1')
      .describe('Address of the admin listener. It has no sign-in yet, so keep it on loopback.')
      .refine((address) => address.startsWith('127.') || address === '::1', {
        error: 'must be a loopback address (127.0.0.0/8 or ::1): the admin listener has no sign-in',
      }),
    port: port(8090).describe('Port of the admin listener.'),
    'capture-media': toggle(false).describe(
      'Let whoever may open the admin listener capture packets of a call at core, decrypted if asked for.',
    ),
  })
  .prefault({})
  .describe('Status for the operator: /health, /status and /metrics over plain HTTP on loopback.');

export const stateDirectory = filePath('a directory that the process may write')
  .optional()
  .describe(
    'Where registrations and sessions are journalled, so that they outlive the process. Without it they are kept in memory only.',
  );

export const zoneFiles = z
  .array(z.string().min(1).meta({ allowed: 'the path of a zone file, relative to this file' }))
  .min(1)
  .describe('Traversal-zone files this process takes part in, as written by `viaduct pair`.');

/** True when the named keys parsed into objects or lists, so that a rule over them may run beside other errors. */
export function hasSections(value: unknown, keys: readonly string[]): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    keys.every((key) => typeof (value as Record<string, unknown>)[key] === 'object')
  );
}

/** How routers are asked to treat media (RFC 4594). */
export const mediaDscp = z
  .strictObject({
    audio: count(0, 63, 46).describe('DSCP of audio: 46 is EF.'),
    video: count(0, 63, 34).describe('DSCP of video: 34 is AF41.'),
    other: count(0, 63, 0).describe('DSCP of what is neither, such as BFCP.'),
  })
  .prefault({})
  .describe('How packets of media are marked for the network. The portable engine cannot mark.');

/** Threads of the packet engine. */
export const mediaShards = count(0, 12, 0).describe(
  'Threads that move media packets; 0 is one for each processor but one. More than the zone has media ports help only core.',
);

export const mediaEngine = choice(['native', 'portable'], 'native').describe(
  'Which packet engine moves media and what TURN relays. `native` falls back to `portable` where it was not compiled; choose `portable` only to rule the native one out.',
);
