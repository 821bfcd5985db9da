#!/usr/bin/env node
// Runs the built command line, or in a clone that is not built yet its sources.
import { existsSync } from 'node:fs';

const built = new URL('../dist/cli/main.js', import.meta.url);

async function load() {
  if (existsSync(built)) return import(built.href);
  const { register } = await import('tsx/esm/api');
  register();
  return import(new URL('../src/cli/main.ts', import.meta.url).href);
}

const { runProcess } = await load();
await runProcess();
