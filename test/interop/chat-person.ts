// One person with @xmpp/client, as a program of its own, so that it can live in a namespace. Told who it is by its only argument;
// sends each line of its input as a stanza and prints each stanza that it gets as one line.
import { createInterface } from 'node:readline';
import { client, xml } from '@xmpp/client';
import { parse } from 'ltx';

interface Person {
  readonly service: string;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const person = JSON.parse(process.argv[2] ?? '{}') as Person;
const xmpp = client({ ...person, resource: 'desk' });
xmpp.on('error', (error) => say(`error ${error.message}`));
xmpp.on('stanza', (stanza) => say(`got ${stanza.toString().replaceAll('\n', ' ')}`));
await xmpp.start();
await xmpp.send(xml('presence'));
say('signed in');
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') await xmpp.send(parse(line));
}
