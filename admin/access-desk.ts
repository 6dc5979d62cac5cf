// What the admin listener says and changes about access: `GET /bans`, `GET /explain`, `POST /explain/token`, and of a core
// the allow list: `GET /allow-list`, `GET|PUT|POST|DELETE /allow-list/rules`, `POST /allow-list/test`. What changes or takes a
// body asks for a header that a page of another origin cannot send. Bodies are bounded; a token in one is judged and
// never repeated.
import type { IncomingMessage } from 'node:http';
import type { DeskAnswer } from './token-desk.ts';

/** How a change of rules went. */
export type RulesAnswer =
  | { readonly kind: 'done'; readonly rules: number }
  | { readonly kind: 'faults'; readonly faults: readonly { readonly line: number; readonly text: string }[] }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'store-failed'; readonly cause: string };

/** The allow list of a core. */
export interface RulesDesk {
  /** Every rule in force with where it comes from. */
  list(): object;
  /** Rules that can be changed here, as CSV. */
  print(): string;
  replace(csv: string): Promise<RulesAnswer>;
  add(csv: string): Promise<RulesAnswer>;
  remove(url: string, deployment: string | undefined): Promise<RulesAnswer>;
  /** Tries a CSV of tests against the rules in force. */
  test(csv: string): object;
}

export interface AccessDesk {
  /** Everybody who is out, and the history. */
  bans(): object;
  /** Answers a question; undefined when it cannot be understood. */
  explain(question: URLSearchParams): Promise<object | undefined>;
  explainToken?(token: string): Promise<object>;
  readonly rules?: RulesDesk;
}

const MAX_BODY = 8 * 1024 * 1024;

/** The answer; undefined when the request is for something else. */
export async function answerAccess(
  request: IncomingMessage,
  desk: AccessDesk,
): Promise<DeskAnswer | undefined> {
  const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
  if (url === null) return undefined;
  const { method = '' } = request;
  switch (`${method} ${url.pathname}`) {
    case 'GET /bans':
      return json(200, desk.bans());
    case 'GET /explain': {
      const told = await desk.explain(url.searchParams);
      return told === undefined ? words(400, 'ask with url, trackingId, user or device') : json(200, told);
    }
    case 'POST /explain/token':
      return (
        desk.explainToken &&
        withBody(request, async (token) => json(200, await desk.explainToken?.(token.trim())))
      );
    default:
      return desk.rules && answerRules(request, desk.rules, method, url);
  }
}

async function answerRules(
  request: IncomingMessage,
  rules: RulesDesk,
  method: string,
  url: URL,
): Promise<DeskAnswer | undefined> {
  switch (`${method} ${url.pathname}`) {
    case 'GET /allow-list':
      return json(200, rules.list());
    case 'GET /allow-list/rules':
      return { status: 200, type: 'text/csv; charset=utf-8', body: rules.print() };
    case 'PUT /allow-list/rules':
      return withBody(request, async (csv) => printChange(await rules.replace(csv)));
    case 'POST /allow-list/rules':
      return withBody(request, async (csv) => printChange(await rules.add(csv)));
    case 'DELETE /allow-list/rules': {
      const named = url.searchParams.get('url');
      const deployment = url.searchParams.get('deployment') ?? undefined;
      if (named === null) return words(400, 'name the url of the rule, as listed');
      return withBody(request, async () => printChange(await rules.remove(named, deployment)));
    }
    case 'POST /allow-list/test':
      return withBody(request, async (csv) => json(200, rules.test(csv)));
    default:
      return undefined;
  }
}

function printChange(change: RulesAnswer): DeskAnswer {
  switch (change.kind) {
    case 'done':
      return json(200, { rules: change.rules });
    case 'faults':
      return json(422, { changed: 'nothing', faults: change.faults });
    case 'not-found':
      return words(404, 'no rule that can be changed has this url');
    default:
      return words(503, `nothing was changed: the store failed: ${change.cause}`);
  }
}

async function withBody(
  request: IncomingMessage,
  answer: (text: string) => Promise<DeskAnswer>,
): Promise<DeskAnswer> {
  if (request.headers['x-viaduct'] === undefined) return words(405, 'read only');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) return words(413, `a body may have ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return answer(Buffer.concat(chunks).toString('utf8'));
}

function json(status: number, value: unknown): DeskAnswer {
  return { status, type: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` };
}

function words(status: number, text: string): DeskAnswer {
  return { status, type: 'text/plain', body: `${text}\n` };
}
