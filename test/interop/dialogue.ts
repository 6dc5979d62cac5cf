// Dialogues as plain text, turned into SIPp's XML. A file reads:
//
//   include register            the lines of register.txt
//   sends                       the indented lines that follow, as they are; SIPp fills its [keywords]
//     OPTIONS sip:… SIP/2.0
//   receives 200                or a method; `receives 183 optional`, `receives 401 auth`, `receives 200 routes`
//     Subject: ^exact bytes$    this header must be there and match the expression
//     Body: expression          the body must match
//     keeps Record-Route to Max-Forwards as head    the lines from the first to before the second, as [$head]
//   waits 300                   milliseconds
//
// `Content-Length` is added to what is sent. Lines that begin with # are remarks.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('scenarios/', import.meta.url));
const WAIT_MS = 8000;

interface Step {
  readonly kind: 'sends' | 'receives' | 'waits';
  readonly words: readonly string[];
  readonly lines: string[];
}

/** Reads `scenarios/<name>.txt` and prints it as a SIPp scenario. */
export function scenarioXml(name: string): string {
  const steps = readSteps(name);
  const body = steps.map(printStep);
  const variables = [
    ...new Set([...body.join('').matchAll(/assign_to="([\w,]+)"/g)].map(([, variable]) => variable)),
  ];
  const reference = variables.length === 0 ? '' : `<Reference variables="${variables.join(',')}"/>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="${name}">\n${body.join('\n')}\n${reference}</scenario>\n`;
}

function readSteps(name: string): Step[] {
  const steps: Step[] = [];
  for (const line of readFileSync(path.join(FOLDER, `${name}.txt`), 'utf8').split('\n')) {
    if (line.startsWith('#')) continue;
    if (line.startsWith('  ') || line === '') {
      steps.at(-1)?.lines.push(line.slice(2));
      continue;
    }
    const [kind = '', ...words] = line.trim().split(/\s+/);
    if (kind === 'include') steps.push(...readSteps(words[0] ?? ''));
    else if (kind === 'sends' || kind === 'receives' || kind === 'waits')
      steps.push({ kind, words, lines: [] });
    else throw new Error(`${name}: ${line}`);
  }
  return steps;
}

function printStep(step: Step, index: number): string {
  if (step.kind === 'waits') return `<pause milliseconds="${step.words[0]}"/>`;
  return step.kind === 'sends' ? printSend(step) : printReceive(step, index);
}

function printSend(step: Step): string {
  const text = step.lines.join('\n').trimEnd();
  const blank = text.indexOf('\n\n');
  const head = blank < 0 ? text : text.slice(0, blank);
  const body = blank < 0 ? '' : text.slice(blank + 2);
  const message = `${head}\nContent-Length: [len]\n\n${body}${body === '' ? '' : '\n'}`;
  return `<send><![CDATA[\n${message}\n]]></send>`;
}

function printReceive(step: Step, index: number): string {
  const [what = '', ...flags] = step.words;
  const selector = /^\d+$/.test(what) ? `response="${what}"` : `request="${what}"`;
  const attributes = [
    selector,
    `timeout="${WAIT_MS}"`,
    ...(flags.includes('auth') ? ['auth="true"'] : []),
    ...(flags.includes('routes') ? ['rrs="true"'] : []),
    ...(flags.includes('optional') ? ['optional="true"'] : []),
  ];
  const checks = step.lines
    .filter((line) => line !== '')
    .map((line, n) => printCheck(line, `check${index * 10 + n}`));
  const action = checks.length === 0 ? '' : `<action>${checks.join('')}</action>`;
  return `<recv ${attributes.join(' ')}>${action}</recv>`;
}

function printCheck(line: string, variable: string): string {
  const kept = /^keeps (\S+) to (\S+) as (\w+)$/.exec(line);
  if (kept !== null) {
    const [, first, next, name] = kept;
    const lines = `(${first}: .*[^[:cntrl:]])[[:cntrl:]]+${next}:`;
    return `<ereg regexp="${lines}" search_in="msg" check_it="true" assign_to="${variable},${name}"/>`;
  }
  const colon = line.indexOf(':');
  const [header, expression] = [line.slice(0, colon + 1), line.slice(colon + 1).trim()];
  const escaped = expression.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  const where = header === 'Body:' ? 'search_in="body"' : `search_in="hdr" header="${header}"`;
  return `<ereg regexp="${escaped}" ${where} check_it="true" assign_to="${variable}"/>`;
}
