// The status as one page without scripts: tables of whatever the process reports. Every value is escaped (T-163): names
// and causes may carry what a peer sent.

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2733}
h1{font-size:1.4rem}h1 small{font-weight:normal;color:#1a7f4b}h1 small.bad{color:#b3261e}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #dde3e9;padding:.3rem .6rem;text-align:left;vertical-align:top}
th{width:14rem;font-weight:600}td table{margin:-.3rem -.6rem}`;

function table(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(table).join('<hr>');
  if (typeof value !== 'object' || value === null) return escape(String(value));
  const rows = Object.entries(value).map(
    ([name, item]) => `<tr><th>${escape(name)}</th><td>${table(item)}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

/** The HTML of the status page. */
export function statusPage(title: string, healthy: boolean, status: object): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>${escape(title)}</title><style>${STYLE}</style>
<h1>${escape(title)} <small class="${healthy ? 'good' : 'bad'}">${healthy ? 'serving' : 'not serving'}</small></h1>
${table(status)}</html>
`;
}
