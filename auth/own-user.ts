// The own-user filter: below /cucm-uds/user/{id} a user reaches only what is theirs. Unified CM checks this too, but
// not for every resource in every release, and core must not lend an outsider its position inside. Decided on the
// canonical path only; an id that cannot be read for certain is somebody else's.
import { foldUser, isUserId } from './user-id.ts';
import { deny, type Deny } from './verdict.ts';

/** A verdict when `path` (canonical, without query) is a user resource that is not `user`'s own. */
export function checkOwnUser(user: string, path: string): Deny | undefined {
  // Unified CM's paths are case-sensitive; a spelling in other case is treated alike, in case one day they are not.
  const id = /^\/cucm-uds\/(?:private\/)?user\/([^/]*)/i.exec(path)?.[1];
  if (id === undefined) return undefined;
  const named = decode(id);
  if (named !== undefined && isUserId(named) && foldUser(named) === foldUser(user)) return undefined;
  return deny(403, 'other-user', "the path names another user's resources");
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
