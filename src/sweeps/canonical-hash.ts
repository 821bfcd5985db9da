/** Names a value: the hash of its JSON with keys in order. */
import { createHash } from 'node:crypto';
import { isRecord } from '../files/json-text.ts';

/** Hexadecimal digits of a name: 80 bits, so that a million runs share none. */
const DIGITS = 20;

/** JSON with the keys of every object in order; entries that are undefined are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) =>
    isRecord(entry) ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1))) : entry,
  );
}

/** The first 20 hexadecimal digits of the SHA-256 of the canonical JSON of `value`. */
export function canonicalHash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, DIGITS);
}
