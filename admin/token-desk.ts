// `GET /tokens[?user=U]` and `POST /tokens/revoke?user=U` or `?id=ID` of the admin listener: the simple tokens that a core
// has issued. What is listed opens nothing; ending asks for a header that a page of another origin cannot send.
import type { IncomingMessage } from 'node:http';

/** Simple tokens of this process. Both reject when the store fails. */
export interface TokenDesk {
  list(user: string | undefined): Promise<readonly object[]>;
  /** Ends one token, or everything of a user; how many tokens there were. */
  revoke(which: { readonly user: string } | { readonly id: string }): Promise<number>;
}

export interface DeskAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** The answer; undefined when the request is for something else. */
export async function answerTokens(
  request: IncomingMessage,
  desk: TokenDesk,
): Promise<DeskAnswer | undefined> {
  const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
  const user = url?.searchParams.get('user') ?? undefined;
  const id = url?.searchParams.get('id') ?? undefined;
  if (url?.pathname === '/tokens' && request.method === 'GET') {
    const tokens = await desk.list(user);
    return { status: 200, type: 'application/json', body: `${JSON.stringify(tokens, undefined, 2)}\n` };
  }
  if (url?.pathname !== '/tokens/revoke' || request.method !== 'POST') return undefined;
  if (request.headers['x-viaduct'] !== 'revoke') return words(405, 'read only');
  if ((user === undefined) === (id === undefined)) return words(400, 'name a user or an id');
  const ended = await desk.revoke(user === undefined ? { id: id ?? '' } : { user });
  if (ended === 0 && user === undefined) return words(404, 'no token has this id');
  return words(
    200,
    `${ended} token${ended === 1 ? '' : 's'} ended${user === undefined ? '' : ', and every session of the user'}`,
  );
}

function words(status: number, text: string): DeskAnswer {
  return { status, type: 'text/plain', body: `${text}\n` };
}
