// Who may call whom: the operator's own rules before call control's (T-064). Rules stand in an order, the first that
// matches decides. Trust: user and target come in canonical form, so that no spelling of a number slips past a rule.
// Patterns know one wildcard and take linear time.

/** One rule. A list that is empty matches everybody. */
export interface DialRule {
  readonly name: string;
  readonly action: 'allow' | 'deny';
  readonly deployments: readonly string[];
  /** Patterns over `user@domain`. */
  readonly users: readonly string[];
  /** Patterns over a number, or `user@host`. */
  readonly targets: readonly string[];
}

/** A call, or a transfer, about to go to call control. */
export interface DialAttempt {
  readonly deployment: string | undefined;
  readonly user: string;
  /** Every canonical spelling of one target: the number alone and `user@host`. */
  readonly targets: readonly string[];
}

/** Undefined where it may go; else the name of what forbids it. */
export type DialJudge = (attempt: DialAttempt) => { readonly rule: string } | undefined;

/** The rules as one decision; `otherwise` is for what no rule matches. */
export function compileDialPolicy(rules: readonly DialRule[], otherwise: 'allow' | 'deny'): DialJudge {
  const compiled = rules.map((rule) => ({
    rule,
    users: rule.users.map((pattern) => pattern.toLowerCase()),
    targets: rule.targets.map((pattern) => pattern.toLowerCase()),
  }));
  return ({ deployment, user, targets }) => {
    const caller = user.toLowerCase();
    const callees = targets.map((target) => target.toLowerCase());
    const match = compiled.find(
      ({ rule, users, targets: patterns }) =>
        (rule.deployments.length === 0 || rule.deployments.includes(deployment ?? '')) &&
        matchesAny(users, [caller]) &&
        matchesAny(patterns, callees),
    );
    const action = match?.rule.action ?? otherwise;
    return action === 'allow' ? undefined : { rule: match?.rule.name ?? 'otherwise' };
  };
}

function matchesAny(patterns: readonly string[], texts: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  return patterns.some((pattern) => texts.some((text) => matchesPattern(pattern, text)));
}

/** Whether `text` is `pattern`, where `*` stands for any characters. One step back is enough: time is linear per star. */
export function matchesPattern(pattern: string, text: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  let read = 0;
  while (read < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = read;
    } else if (pattern[at] === text[read]) {
      at += 1;
      read += 1;
    } else if (star >= 0) {
      at = star + 1;
      read = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
