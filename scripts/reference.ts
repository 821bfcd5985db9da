/**
 * `npm run reference -- DIR`: compares this package with figures that PyTorch computed, on every engine that this
 * machine has. DIR and the folders in it hold JSON files of the form of test/reference, of any sizes, which are told
 * apart by what they hold. A file that fits no form counts as failed. Exit status: 0 where no check failed, 1 where one
 * did or the folder cannot be read, 2 for wrong usage.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { ENGINE_NAMES } from '../src/engines/create-engine.ts';
import type { EngineName } from '../src/engines/engine.ts';
import { checkFile } from './reference/check-file.ts';
import { findEngineForms } from './reference/engine-forms.ts';

const command = new Command('reference')
  .description('Compare with PyTorch’s figures in DIR: |difference| ≤ 1e-5 · max(1, |value|).')
  .argument('<dir>', 'folder of JSON files as in test/reference')
  .option(
    '--engine <name>',
    `engine to run on, may be repeated: ${ENGINE_NAMES.join(', ')} (default: all here)`,
    collect,
  )
  .exitOverride();

try {
  command.parse();
  const { engine: wanted } = command.opts<{ engine?: string[] }>();
  const unknown = wanted?.find(name => !(ENGINE_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    command.error(`error: engine "${unknown}" does not exist; choose from ${ENGINE_NAMES.join(', ')}`);
  }
  process.exitCode = (await compareFolder(command.args[0]!, wanted as EngineName[] | undefined)) === 0 ? 0 : 1;
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    console.error(`reference: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Prints a line for each check; gives how many failed. */
async function compareFolder(folder: string, wanted: readonly EngineName[] | undefined): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch((error: Error) => {
    throw new Error(`${folder}: expected a folder of JSON files: ${error.message}`);
  });
  const files = entries.filter(file => file.endsWith('.json')).sort();
  if (files.length === 0) throw new Error(`${folder}: holds no JSON file`);
  const { present, absent } = await findEngineForms(wanted);
  let passed = 0;
  let failed = 0;
  for (const { label, reason } of absent) {
    // Passed over, unless it was asked for.
    const asked = wanted?.some(name => name === label) ?? false;
    if (asked) failed++;
    console.log(`${asked ? 'FAILED' : 'not here'}  ${label}: ${reason}`);
  }
  for (const file of files) {
    for await (const check of checkFile(join(folder, file), present)) {
      if (check.passed) passed++;
      else failed++;
      console.log(`${check.passed ? 'passed' : 'FAILED'}    ${file}  ${check.what}: ${check.detail}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed;
}
