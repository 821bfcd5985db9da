/** `npm run docs`: writes the API reference into docs/api/. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { apiReference } from './docs/reference.ts';

const FOLDER = fileURLToPath(new URL('../docs/api/', import.meta.url));

const { pages, undocumented, unnamedErrors } = apiReference();
await mkdir(FOLDER, { recursive: true });
for (const name of await readdir(FOLDER)) if (!pages.has(name)) await rm(join(FOLDER, name));
for (const [name, text] of pages) await writeFileAtomic(join(FOLDER, name), text);
console.log(`${pages.size} pages in docs/api/`);
for (const name of undocumented) console.error(`no docstring: ${name}`);
for (const name of unnamedErrors) console.error(`no @throws: ${name}`);
if (undocumented.length + unnamedErrors.length > 0) process.exitCode = 1;
