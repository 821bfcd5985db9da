/** Compares outputs, losses, gradients and trained parameters with PyTorch's figures in test/reference. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkFile } from '../../reference/check-file.ts';
import type { TrainingFileName } from '../../reference/training-file.ts';
import { formsOf } from '../paths.ts';
import type { CheckContext } from './report.ts';

const FOLDER = fileURLToPath(new URL('../../../test/reference/', import.meta.url));

/** The name of a file's row in the table. */
export function referenceCheckName(file: TrainingFileName): string {
  return `PyTorch's ${file}`;
}

/** Repeats the training of one file and compares it with PyTorch's figures. */
export async function checkReference(file: TrainingFileName, { path, report }: CheckContext): Promise<void> {
  let count = 0;
  let largest = 0;
  const failures: string[] = [];
  for await (const check of checkFile(join(FOLDER, `${file}.json`), await formsOf(path))) {
    count++;
    if (!check.passed) failures.push(`${check.what}: ${check.detail}`);
    largest = Math.max(largest, Number(/difference (\S+)/.exec(check.detail)?.[1] ?? 0));
  }
  const right = `${count - failures.length} of ${count} figures right, largest difference ${largest.toExponential(1)}`;
  report({
    check: referenceCheckName(file),
    outcome: failures.length === 0 ? 'ran' : 'wrong',
    detail: [right, ...failures.slice(0, 3)].join('; '),
  });
}
