/** A run's history.json, checked before anything draws it. */
import { FileFormatError } from '../../../src/errors.ts';
import type { History } from './model.ts';

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(entry => typeof entry === 'number' && Number.isFinite(entry));

/**
 * Parses a history.
 * @throws FileFormatError where it is not {steps, loss, directions, and perhaps b_dec} of equal length with even rows
 */
export function readHistory(text: string, file: string): History {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FileFormatError(`not a history: ${(cause as Error).message}`, { file, cause });
  }
  const { steps, loss, directions, b_dec } = (value ?? {}) as Record<string, unknown>;
  if (!isNumbers(steps) || !isNumbers(loss) || !Array.isArray(directions) || steps.length === 0) {
    throw new FileFormatError('not a history: expected {steps, loss, directions}', { file });
  }
  if (loss.length !== steps.length || directions.length !== steps.length) {
    const lengths = `${steps.length} steps, ${loss.length} losses and ${directions.length} directions`;
    throw new FileFormatError(`not a history: it has ${lengths}`, { file });
  }
  const [rows, width] = [directions[0]?.length, directions[0]?.[0]?.length];
  const even = directions.every(
    frame =>
      Array.isArray(frame) && frame.length === rows && frame.every(row => isNumbers(row) && row.length === width),
  );
  if (!even || !rows || !width) throw new FileFormatError('not a history: its directions are uneven', { file });
  if (b_dec === undefined) return { steps, loss, directions };
  const isTrail =
    Array.isArray(b_dec) && b_dec.length === steps.length && b_dec.every(row => isNumbers(row) && row.length === width);
  if (!isTrail) throw new FileFormatError('not a history: its b_dec does not fit its directions', { file });
  return { steps, loss, directions, b_dec };
}
