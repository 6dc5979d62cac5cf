// The two pages of the embedded identity provider, for people with a browser and for the lab's client, which reads forms.

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Asks for name and password; the request stays in the query. */
export function printSignInForm(query: string, complaint: string): string {
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title><h1>Sign in to the lab</h1>` +
    `<p>${escape(complaint)}</p><form method="post" action="/sign-in${escape(query)}">` +
    `<label>Name <input name="user" autocomplete="username"></label> ` +
    `<label>Password <input name="password" type="password" autocomplete="current-password"></label> ` +
    `<button>Sign in</button></form></html>`
  );
}

/** Carries fields to another site by POST; a browser does it by itself. */
export function printPostForm(action: string, fields: Readonly<Record<string, string>>): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`,
  );
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Signing in</title>` +
    `<form method="post" action="${escape(action)}">${inputs.join('')}<button>Continue</button></form>` +
    `<script>document.forms[0].submit()</script></html>`
  );
}
