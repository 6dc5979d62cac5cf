// The links between edge and core: what both sides may set, and what each side may set alone.
import { z } from 'zod';
import { count, duration, ipAddress, portRange, size } from './units.ts';

const timing = {
  'login-timeout': duration('1 s', '60 s', '5 s').describe(
    'Longest time from a new connection to a finished login or handshake.',
  ),
  'ping-interval': duration('200 ms', '60 s', '1500 ms').describe(
    'How often each side gives a sign of life.',
  ),
  'dead-after': duration('1 s', '5 min', '4 s').describe(
    'Silence after which the other side is taken for dead.',
  ),
  'request-timeout': duration('500 ms', '60 s', '5 s').describe(
    'Longest wait for the answer to a control request.',
  ),
  'clock-warning': duration('1 s', '1 h', '10 s').describe(
    'Difference of the two clocks above which status warns.',
  ),
  'expiry-warning-days': count(1, 365, 30).describe(
    'Days before the end of this peer’s identity at which status begins to warn.',
  ),
  'max-channels': count(16, 100_000, 1_024).describe('Web requests that one link may carry at once.'),
};

export const edgeLinks = z
  .strictObject({
    ...timing,
    'max-strangers': count(1, 10_000, 32).describe(
      'Connections to the link ports that have not yet proven who they are.',
    ),
    'max-strangers-per-address': count(1, 10_000, 8).describe(
      'The same from one address. Cores behind one NAT share it.',
    ),
    'rekey-bytes': size('64 MiB', '64 GiB', '1 GiB').describe('New SSH keys after this much traffic.'),
    'rekey-interval': duration('1 min', '24 h', '1 h').describe('New SSH keys after this long.'),
  })
  .prefault({})
  .describe('The links that cores open to this edge.');

export const coreLinks = z
  .strictObject({
    ...timing,
    'local-address': ipAddress()
      .optional()
      .describe('Address of this machine to dial from. Default: the system chooses.'),
    'connect-timeout': duration('500 ms', '60 s', '3 s').describe('Longest wait for a TCP connection.'),
    'retry-first': duration('10 ms', '60 s', '200 ms').describe(
      'Upper bound of the first pause after a link was lost.',
    ),
    'retry-most': duration('100 ms', '10 min', '3 s').describe(
      'Upper bound of every pause: an edge that is back is found within it.',
    ),
    'ssh-source-ports': portRange(1024, 65535, '30000-35999').describe(
      'Source ports of the SSH link, for the firewall.',
    ),
    'sip-source-ports': portRange(1024, 65535, '25000-29999').describe(
      'Source ports of the SIP link, for the firewall.',
    ),
  })
  .prefault({})
  .describe('The links that this core opens to the edges.');
