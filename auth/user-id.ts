// User ids as call control knows them. Unified CM compares them without regard to ASCII case, so keys and comparisons
// here use one folded form. Only ASCII is folded: Unicode folding maps foreign letters onto ASCII ones (U+212A KELVIN
// SIGN becomes k) and would make one user out of two.

/** Longest user id read, in UTF-16 units; Unified CM's own limit is 128. */
export const maxUserLength = 128;

/** The form under which a user is keyed and compared. */
export function foldUser(user: string): string {
  return user.replaceAll(/[A-Z]+/g, (capitals) => capitals.toLowerCase());
}

/** True for an id that may be put into a URL path segment, a log and a key: no controls, no path characters. */
export function isUserId(user: string): boolean {
  return user.length > 0 && user.length <= maxUserLength && !forbidden.test(user) && user.isWellFormed();
}

// Controls, DEL, C1, path and parameter characters, and what an URL parser would fold into them; bidi controls (T-179).
const forbidden =
  /[\u0000-\u0020\u007f-\u00a0/\\;?#%"<>|:\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]|^\.{1,2}$/;
