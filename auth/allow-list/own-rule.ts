// One of the operator's own allow-list rules as it is written: a URL, a deployment, methods, a match type. Refuses what
// no request could ever match or what could be read in two ways; says in words what to write instead.
import { canonicalPath, canonicalTarget, HttpError, parseAuthority } from '../../http/index.ts';
import { parseLane, printLane } from '../../zones/lane.ts';
import { type AllowRule, faultOf, ownRulePrefix, ruleMethods } from './rule.ts';

/** A rule as an operator wrote it; an empty field stands for its default. */
export interface WrittenRule {
  readonly url: string;
  readonly deployment: string;
  /** Separated by commas. */
  readonly methods: string;
  readonly match: string;
  readonly description: string;
}

/** What an empty field means. */
export interface RuleDefaults {
  /** The deployments that exist; with only one, a rule need not name it. */
  readonly deployments: readonly string[];
  readonly methods: readonly string[];
  readonly match: 'exact' | 'prefix';
}

/** A URL taken apart as a lane would name it. */
export interface RuleUrl {
  readonly protocol: 'http' | 'https';
  /** Folded; an IPv6 address bare and compressed. */
  readonly host: string;
  readonly port: number;
  /** In canonical form. */
  readonly path: string;
}

/** Thrown by the readers of this file; `message` tells the operator what is wrong with the value and what is allowed. */
export class RuleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RuleError';
  }
}

const maxUrlLength = 2048;
const maxDescriptionLength = 256;

/** The rule that was written. Throws {@link RuleError}. */
export function readOwnRule(written: WrittenRule, defaults: RuleDefaults): AllowRule {
  const { protocol, host, port, path } = readRuleUrl(written.url);
  const description = readDescription(written.description);
  const rule: AllowRule = {
    type: description === '' ? 'Own rule' : `${ownRulePrefix}${description}`,
    protocol,
    host: { name: host },
    port,
    path,
    match: readMatch(written.match, defaults.match),
    methods: readMethods(written.methods, defaults.methods),
    deployment: readDeployment(written.deployment, defaults.deployments),
  };
  const fault = faultOf(rule, () => path);
  if (fault !== undefined) throw new RuleError(fault);
  return rule;
}

/** `protocol://host[:port][/path]`; the path must stand in the form in which requests are decided. Throws. */
export function readRuleUrl(text: string): RuleUrl {
  const [, scheme, authority = '', path = '/'] =
    /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(\/[^?#]*)?$/.exec(text) ?? [];
  if (text.length > maxUrlLength || scheme === undefined)
    throw new RuleError(`${quote(text)} is no URL of the form protocol://host[:port][/path], without query`);
  const protocol = scheme.toLowerCase();
  if (protocol !== 'http' && protocol !== 'https')
    throw new RuleError(`${quote(text)}: the protocol is http or https`);
  const { host, port } = readAuthority(text, authority);
  return { protocol, host, port: port ?? (protocol === 'https' ? 443 : 80), path: readPath(path) };
}

/** The host as a lane would carry it, so that a rule and a request cannot spell one host in two ways. */
function readAuthority(url: string, authority: string): { host: string; port: number | undefined } {
  try {
    const { hostname, port } = parseAuthority(authority);
    const lane = { kind: 'proxy', domain: 'a', protocol: 'http', host: hostname, port: 80 } as const;
    const read = parseLane(printLane(lane));
    return { host: read.kind === 'proxy' ? read.host : hostname, port };
  } catch {
    const allowed =
      'a DNS name or address, with a port from 1 to 65535 after a colon if it is not the usual one';
    throw new RuleError(`${quote(url)}: the host is ${allowed}`);
  }
}

function readPath(path: string): string {
  try {
    const canonical = canonicalPath(path);
    if (canonical === path) return path;
    throw new RuleError(`the path ${quote(path)} would match no request; write it ${quote(canonical)}`);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new RuleError(`the path ${quote(path)} would match no request: ${error.message}`);
  }
}

/** The path of a request target in the form in which it is decided. Throws {@link RuleError}. */
export function readRequestPath(target: string): string {
  try {
    return canonicalTarget(target).path;
  } catch (error) {
    if (error instanceof HttpError) throw new RuleError(error.message);
    throw error;
  }
}

/** One or more methods; the defaults when there is none. Throws. */
export function readMethods(text: string, usual: readonly string[]): readonly string[] {
  if (text.trim() === '') {
    if (usual.length > 0) return usual;
    throw new RuleError('no method is named and there are no default methods');
  }
  const methods = text.split(',').map((method) => method.trim().toUpperCase());
  const strange = methods.find((method) => !(ruleMethods as readonly string[]).includes(method));
  if (strange !== undefined)
    throw new RuleError(`${quote(strange)} is no method; allowed are ${ruleMethods.join(', ')}`);
  return [...new Set(methods)];
}

function readMatch(text: string, usual: 'exact' | 'prefix'): 'exact' | 'prefix' {
  const match = text.toLowerCase();
  if (match === '') return usual;
  if (match === 'exact' || match === 'prefix') return match;
  throw new RuleError(`${quote(text)} is no match type; write exact or prefix`);
}

function readDeployment(text: string, deployments: readonly string[]): string {
  if (deployments.includes(text)) return text;
  const [only] = deployments;
  if (text === '' && only !== undefined && deployments.length === 1) return only;
  const known = deployments.map(quote).join(', ');
  if (text === '')
    throw new RuleError(`there are several deployments, so that the rule must name one: ${known}`);
  throw new RuleError(`${quote(text)} is no deployment; there is ${known}`);
}

function readDescription(text: string): string {
  if (text.length <= maxDescriptionLength && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text))
    return text;
  throw new RuleError(
    `the description may have ${maxDescriptionLength} characters and no control characters`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
