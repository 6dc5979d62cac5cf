// Whose an allocation is (RFC 8656 §5). On its own 5-tuple the same user may go on, and a holder of tokens with his next
// token, whose key is new (RFC 7635 §3). From another 5-tuple only the very holder: two who share a key id are two.
import type { Allocation } from './allocation.ts';
import type { Authentic, HeldCredential } from './authenticate.ts';
import type { Owner } from './credentials.ts';

/** Whether a request on the allocation's own 5-tuple is its user's. */
export function mayGoOn({ credential }: Allocation, authentic: Authentic): boolean {
  const bothHoldTokens = credential.token !== undefined && authentic.token !== undefined;
  return bothHoldTokens
    ? credential.owner.deployment === authentic.owner.deployment
    : credential.username === authentic.username;
}

/** For whom a port is reserved: a holder's next allocation may come with his next token. */
export function reserves({ owner, token }: HeldCredential | Authentic): Owner {
  return token === undefined ? owner : { user: '', deployment: owner.deployment };
}

/** Whether a request from elsewhere, with a ticket or an id of the allocation, is its user's. */
export function isHolder({ credential }: Allocation, { username, owner }: Authentic): boolean {
  return (
    credential.username === username &&
    credential.owner.user === owner.user &&
    credential.owner.deployment === owner.deployment
  );
}
