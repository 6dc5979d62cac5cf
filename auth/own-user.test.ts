import { expect, test } from 'vitest';
import { checkOwnUser } from './own-user.ts';

test.each([
  ['/cucm-uds/user/alice'],
  ['/cucm-uds/user/alice/devices'],
  ['/cucm-uds/user/ALICE/devices'],
  ['/cucm-uds/private/user/alice'],
  ['/cucm-uds/users'],
  ['/cucm-uds/servers'],
  ['/cucm-uds/options/user/bob'],
])('%s is alice’s to ask for', (path) => {
  expect(checkOwnUser('alice', path)).toBeUndefined();
});

test.each([
  ['another user', '/cucm-uds/user/bob'],
  ["another user's PIN", '/cucm-uds/user/bob/credentials/pin'],
  ['another user, encoded', '/cucm-uds/user/%62ob'],
  ['own name as a prefix', '/cucm-uds/user/alice2/devices'],
  ['nobody', '/cucm-uds/user/'],
  ['nobody, then a resource', '/cucm-uds/user//devices'],
  ['parameter behind the name', '/cucm-uds/user/alice;x/devices'],
  ['slash hidden in the name', '/cucm-uds/user/alice%2F..%2Fbob'],
  ['NUL behind the name', '/cucm-uds/user/alice%00'],
  ['broken encoding', '/cucm-uds/user/alice%ff'],
  ['dot segment', '/cucm-uds/user/../user/bob'],
  ['other spelling of the path', '/CUCM-UDS/User/bob'],
  ['private resource', '/cucm-uds/private/user/bob'],
  // Folds to k in Unicode, and would be kate's.
  ['look-alike', '/cucm-uds/user/%E2%84%AAate'],
])('%s is refused', (_name, path) => {
  expect(checkOwnUser(_name === 'look-alike' ? 'kate' : 'alice', path)).toMatchObject({
    outcome: 'deny',
    code: 403,
    reason: 'other-user',
  });
});
