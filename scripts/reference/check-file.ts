/** All checks of one reference file: what it is follows from what it holds. */
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type Check, failure } from './check.ts';
import type { EngineForm } from './engine-forms.ts';
import { checkFrozenFolder, isFrozenFolder } from './frozen-folder.ts';
import { PLAIN_CHECKS, plainKindOf } from './plain-checks.ts';
import { checkSaelensTraining } from './saelens-checks.ts';
import { isSaelensTraining, saelensTraining } from './saelens-training.ts';
import { checkTraining } from './training-checks.ts';
import { trainingCase, trainingKindOf } from './training-file.ts';

/**
 * Makes the file's checks, training on each of `forms`. A file that cannot be read, or of which nobody knows what it is, is one failed check;
 * the config of a SAELens folder is checked with the answers beside it, and gives none of its own.
 */
export async function* checkFile(file: string, forms: readonly EngineForm[]): AsyncGenerator<Check> {
  try {
    if (basename(file) === 'cfg.json' && (await isFrozenFolder(dirname(file)))) return;
    const contents: unknown = JSON.parse(await readFile(file, 'utf8'));
    const plain = plainKindOf(contents);
    if (plain) {
      yield* PLAIN_CHECKS[plain](contents as never);
      return;
    }
    if (isSaelensTraining(contents)) {
      const training = saelensTraining(contents);
      for (const form of forms)
        yield* await checkSaelensTraining(training, form).catch(error => [brokenCheck(form.label, error)]);
      return;
    }
    const kind = trainingKindOf(contents);
    if (kind) {
      const training = trainingCase(kind, contents);
      for (const form of forms)
        yield* await checkTraining(training, form).catch(error => [brokenCheck(form.label, error)]);
      return;
    }
    if (await isFrozenFolder(dirname(file))) {
      yield* await checkFrozenFolder(dirname(file), contents);
      return;
    }
    yield failure('the file', 'nothing here knows what its figures are of');
  } catch (error) {
    yield brokenCheck('the file', error);
  }
}

function brokenCheck(what: string, error: unknown): Check {
  return failure(what, error instanceof Error ? error.message : String(error));
}
