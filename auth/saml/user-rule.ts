// From the attributes of an assertion to a user id of call control. One attribute, one value, no guessing: an identity
// provider that sends two ids, or one that call control would read differently, has not said who it is.
import { foldUser, isUserId } from '../user-id.ts';
import { SamlFault } from './saml-fault.ts';

export interface UserRule {
  /** Name of the attribute that holds the user id; `uid` unless the operator says otherwise. */
  readonly attribute: string;
  /** Takes `@domain` off when it is the domain that is signed in to. */
  readonly stripDomain: boolean;
}

/** The user id, folded. @throws SamlFault `attribute`. */
export function readUser(
  rule: UserRule,
  attributes: ReadonlyMap<string, readonly string[]>,
  domain: string,
): string {
  const values = [...new Set(attributes.get(rule.attribute)?.map((value) => value.trim()) ?? [])];
  const [value] = values;
  // COMPAT(Expressway): operators look for these words in the log.
  if (value === undefined || value === '')
    throw new SamlFault('attribute', `No ${rule.attribute} Attribute in Assertion from IdP`);
  if (values.length > 1)
    throw new SamlFault('attribute', `the ${rule.attribute} attribute has ${values.length} values`);
  const user = rule.stripDomain ? withoutDomain(foldUser(value), domain) : foldUser(value);
  if (!isUserId(user)) throw new SamlFault('attribute', `the ${rule.attribute} attribute is no user id`);
  return user;
}

function withoutDomain(user: string, domain: string): string {
  return user.endsWith(`@${domain}`) ? user.slice(0, -domain.length - 1) : user;
}
