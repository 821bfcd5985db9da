/** All checks of one reference file, by its name. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Check, failure } from './check.ts';
import type { EngineForm } from './engine-forms.ts';
import { PLAIN_CHECKS } from './plain-checks.ts';
import { checkTraining } from './training-checks.ts';
import { TRAINING_FILES, type TrainingFileName, trainingCase } from './training-file.ts';

/** True where the file's name is one that can be checked. */
export function isReferenceFile(file: string): boolean {
  const name = basename(file, '.json');
  return (TRAINING_FILES as readonly string[]).includes(name) || Object.hasOwn(PLAIN_CHECKS, name);
}

/** Makes the file's checks, training on each of `forms`. A file that cannot be read is one failed check. */
export async function* checkFile(file: string, forms: readonly EngineForm[]): AsyncGenerator<Check> {
  const name = basename(file, '.json');
  try {
    const contents: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (Object.hasOwn(PLAIN_CHECKS, name)) {
      yield* PLAIN_CHECKS[name as keyof typeof PLAIN_CHECKS](contents as never);
      return;
    }
    const training = trainingCase(name as TrainingFileName, contents);
    for (const form of forms)
      yield* await checkTraining(training, form).catch(error => [brokenCheck(form.label, error)]);
  } catch (error) {
    yield brokenCheck('the file', error);
  }
}

function brokenCheck(what: string, error: unknown): Check {
  return failure(what, error instanceof Error ? error.message : String(error));
}
