#!/usr/bin/env node
// Runs the built command line. In a clone that is not built, or has changed since, runs its sources.
import { existsSync, readdirSync, statSync } from 'node:fs';

const built = new URL('../dist/cli/main.js', import.meta.url);
// The published package has no sources.
const sources = new URL('../src/', import.meta.url);

function isBuiltNow() {
  if (!existsSync(built)) return false;
  if (!existsSync(sources)) return true;
  const { mtimeMs } = statSync(built);
  return readdirSync(sources, { recursive: true }).every(name => statSync(new URL(name, sources)).mtimeMs <= mtimeMs);
}

async function load() {
  if (isBuiltNow()) return import(built.href);
  const { register } = await import('tsx/esm/api');
  register();
  return import(new URL('cli/main.ts', sources).href);
}

const { runProcess } = await load();
await runProcess();
