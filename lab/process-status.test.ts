import { expect, test } from 'vitest';
import { readPlanes } from './process-status.ts';

test.each([
  [
    'a core with one edge',
    {
      zones: [
        { peer: 'edge', planes: { https: { state: 'up', cause: 'x' }, sip: { state: 'down', cause: 'y' } } },
      ],
    },
    [
      { name: 'https', state: 'up', cause: 'x' },
      { name: 'sip', state: 'down', cause: 'y' },
    ],
  ],
  [
    'another depth',
    { a: { b: { planes: { media: { state: 'up' } } } } },
    [{ name: 'media', state: 'up', cause: '' }],
  ],
  ['no link', { zones: [] }, []],
  ['no document', null, []],
])('%s', (_, document, expected) => expect(readPlanes(document)).toEqual(expected));
