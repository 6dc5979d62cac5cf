import { describe, expect, test } from 'vitest';
import { redactQuery } from './access-line.ts';

describe('a query in the log', () => {
  test.each([
    ['email=a@b.c&token=secret', 'email=*&token=*'],
    ['service_name=_cisco-uds&service_name=_cuplogin', 'service_name=*&service_name=*'],
    ['secret', '*'],
    ['', '*'],
    ['a=b=c', 'a=*'],
    ['=secret', '=*'],
  ])('%s', (query, logged) => {
    expect(redactQuery(query)).toBe(logged);
  });

  test('is bounded', () => {
    expect(redactQuery('a=b&'.repeat(10_000)).length).toBeLessThan(300);
  });
});
