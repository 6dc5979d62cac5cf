// YAML keys are kebab-case, TypeScript's are camelCase: one conversion, done once after validation.
import { Secret } from './secret.ts';

type CamelCase<Text extends string> = Text extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Text;

/** `T` with every key, at any depth, in camelCase; lists and secrets stay what they are. */
export type CamelKeys<T> = T extends Secret | string | number | boolean | undefined | null
  ? T
  : T extends readonly (infer Item)[]
    ? readonly CamelKeys<Item>[]
    : { readonly [Key in keyof T as Key extends string ? CamelCase<Key> : Key]: CamelKeys<T[Key]> };

const camelCase = (key: string): string =>
  key.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The value of {@link CamelKeys}. */
export function camelKeys<T>(value: T): CamelKeys<T> {
  if (Array.isArray(value)) return value.map((item) => camelKeys<unknown>(item)) as CamelKeys<T>;
  if (typeof value !== 'object' || value === null || value instanceof Secret) return value as CamelKeys<T>;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [camelCase(key), camelKeys<unknown>(item)]),
  ) as CamelKeys<T>;
}
