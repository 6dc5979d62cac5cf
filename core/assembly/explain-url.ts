// What core would decide about a URL, step by step: the lane, the domain, the ways to sign in, the rule that hits or comes
// nearest, whose resource it is, and what to change. Looks at no password and no token.
import {
  type AccessSettings,
  type AllowList,
  checkOwnUser,
  offersPasswords,
  offersSignOn,
  offersTokens,
  readRequestPath,
  RuleError,
} from '../../auth/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { type Lane, LaneError, parseLane, splitLanePath } from '../../zones/index.ts';
import { accessSettings } from './https.ts';

/** What besides the URL makes the request. */
export interface UrlChoices {
  readonly method: string;
  readonly user?: string | undefined;
  /** Domain of a URL inside; the first one when left out. */
  readonly domain?: string | undefined;
}

/** One decision and why. */
export type Step = readonly [good: boolean, text: string];

/** The steps as far as they go: the first refusal is the last. */
export function explainUrl(
  config: Pick<CoreConfig, 'access' | 'domains'>,
  list: AllowList,
  text: string,
  choices: UrlChoices,
): Step[] {
  const url = URL.parse(text);
  if (url === null) throw new Error(`${text} is no URL`);
  const steps: Step[] = [];
  const asked = readTarget(url, text, choices.domain ?? config.domains[0]?.name ?? '');
  if (typeof asked === 'string') return [[false, asked]];
  const { lane, path } = asked;
  steps.push([true, `the lane is ${printLane(lane)}, the path in canonical form ${path}`]);
  const deployment = config.domains.find(({ name }) => name === lane.domain)?.deployment;
  if (deployment === undefined)
    return [
      ...steps,
      [false, `domain ${lane.domain} is none of this core: add it to domains, or 403 is right`],
    ];
  steps.push([true, `domain ${lane.domain} is of deployment ${deployment}`]);
  const ways = waysIn(accessSettings(config));
  steps.push([
    ways !== '',
    ways === '' ? 'every way to sign in is off: see access' : `a client signs in by ${ways}`,
  ]);
  if (ways === '' || lane.kind === 'domain') return steps;
  const { protocol, host, port } = lane;
  const method = choices.method.toUpperCase();
  const listing = list.decide({ deployment, protocol, host, port, path, method });
  if (listing.outcome === 'unlisted')
    return [...steps, [false, `${listing.text}. ${adviceFor(listing.reason)}`]];
  const { rule, node } = listing;
  steps.push([
    true,
    `rule ${rule.protocol}://…:${rule.port}${rule.path} (${rule.match}, ${rule.type}) opens it on ${node.name}`,
  ]);
  const own = choices.user === undefined ? undefined : checkOwnUser(choices.user, path);
  if (own !== undefined) steps.push([false, `${own.text}: a user reaches only what is theirs`]);
  return steps;
}

function readTarget(url: URL, text: string, domain: string): { lane: Lane; path: string } | string {
  try {
    // As it was written: a URL parser would already have folded what core refuses.
    const raw = /^[a-z]+:\/\/[^/?#]*([^#]*)/i.exec(text)?.[1] ?? '';
    const path = readRequestPath(raw === '' ? '/' : raw);
    const split = splitLanePath(path);
    const lane = split === undefined ? undefined : readLane(split.segment);
    if (split !== undefined && lane !== undefined) return { lane, path: split.rest };
    const protocol = url.protocol === 'https:' ? 'https' : 'http';
    const port = Number(url.port || (protocol === 'https' ? 443 : 80));
    return {
      lane: { kind: 'proxy', domain, protocol, host: url.hostname.replace(/^\[|\]$/g, ''), port },
      path,
    };
  } catch (error) {
    if (error instanceof RuleError) return `the path is refused before anything is decided: ${error.message}`;
    throw error;
  }
}

function readLane(segment: string): Lane | undefined {
  try {
    const lane = parseLane(segment);
    // Nearly any word decodes to something; only a domain with a dot is one.
    return lane.domain.includes('.') ? lane : undefined;
  } catch (error) {
    if (error instanceof LaneError) return undefined;
    throw error;
  }
}

function printLane(lane: Lane): string {
  return lane.kind === 'domain'
    ? lane.domain
    : `${lane.domain} to ${lane.protocol}://${lane.host}:${lane.port}`;
}

function waysIn(settings: AccessSettings): string {
  const ways = [
    offersPasswords(settings) ? 'name and password' : '',
    offersTokens(settings) ? 'token' : '',
    offersSignOn(settings) ? 'single sign-on' : '',
  ];
  return ways.filter((way) => way !== '').join(' or ');
}

function adviceFor(reason: 'node-unknown' | 'service-unknown' | 'path' | 'method'): string {
  switch (reason) {
    case 'node-unknown':
      return 'Is it a node that discovery finds (see viaduct status)? Else add a rule for it to http-allow-list';
    case 'method':
      return 'Add the method to the rule, or a rule of its own';
    default:
      return 'If clients need this, add a rule to http-allow-list';
  }
}
