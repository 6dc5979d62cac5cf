// How commands talk to the admin listener of a running process on this machine.

/** The option that names it. */
export const adminOption = [
  '--url <url>',
  'admin listener of the process',
  'http://127.0.0.1:8090/',
] as const;

/** A page of the listener. @throws when it is no URL. */
export function adminPage(listener: string, page: string): URL {
  if (!URL.canParse(listener)) throw new Error(`${listener} is no URL, such as http://127.0.0.1:8090/`);
  return new URL(page, listener);
}

/** One request. @throws with words when nothing answers, and with the answer's own when it is a refusal. */
export async function askAdmin(page: URL, options: RequestInit = {}): Promise<Response> {
  const response = await fetch(page, options).catch((cause: unknown) => {
    const hint = 'is the process running, and is this its admin address?';
    throw new Error(`nothing answers at ${page.origin}: ${hint}`, { cause });
  });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response;
}

/** What came from a peer or a client, without characters that could steer a terminal. */
export function plainText(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '·');
}
