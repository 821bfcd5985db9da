/** The settings of an experiment's command as fields of a plan: the same names, defaults and checks as on the command line. */
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { InvalidValueError } from '../../errors.ts';
import type { PlanSettings, SettingValue } from '../../sweeps/plan.ts';
import type { ResolvedSettings } from '../../sweeps/run-kind.ts';
import { inWords } from '../../wording.ts';
import { fraction, nonNegativeNumber, positiveInteger, positiveNumber, wholeNumber } from '../options.ts';
import { experimentCommand, seedNumber } from './command.ts';

export interface PlanFields {
  readonly schema: Readonly<Record<string, object>>;
  /** Every setting with its value. InvalidValueError that names the field. */
  resolve(given: PlanSettings): ResolvedSettings;
}

/** What each reader of a number takes, as a JSON schema. */
const NUMBERS = new Map<unknown, object>([
  [positiveInteger, { type: 'integer', minimum: 1 }],
  [wholeNumber, { type: 'integer', minimum: 0 }],
  [seedNumber, { type: 'integer' }],
  [positiveNumber, { type: 'number', exclusiveMinimum: 0 }],
  [nonNegativeNumber, { type: 'number', minimum: 0 }],
  [fraction, { type: 'number', minimum: 0, maximum: 1 }],
]);

/** The fields of `command`: its options but those that say where it runs and writes. */
export function planFields(command: Command): PlanFields {
  const ofEvery = new Set(experimentCommand('any', '').options.map(option => option.attributeName()));
  ofEvery.delete('seed');
  // It asks for no training.
  ofEvery.add('printSettings');
  const options = new Map(
    command.options.flatMap((option): [string, Option][] =>
      ofEvery.has(option.attributeName()) ? [] : [[option.attributeName(), option]],
    ),
  );
  const defaults = Object.fromEntries(
    [...options].flatMap(([name, { defaultValue }]) => (defaultValue === undefined ? [] : [[name, defaultValue]])),
  );
  const read = reader(options);
  return {
    schema: Object.fromEntries([...options].map(([name, option]) => [name, schemaOf(option)])),
    resolve(given) {
      const names = Object.keys(given).filter(name => given[name] !== null);
      const own: Record<string, unknown> = Object.fromEntries(names.map(name => [name, read(name, given[name]!)]));
      for (const name of names) {
        const { conflictsWith } = options.get(name) as Option & { readonly conflictsWith: readonly string[] };
        const other = conflictsWith.find(field => names.includes(field));
        if (other) throw new InvalidValueError(`${name} cannot go with ${other}: one of them must not be given`);
      }
      // A default gives way to what excludes it.
      return { ...defaults, ...own };
    },
  };
}

/** Reads the value of a field as its option does; what was read before is known. */
function reader(options: ReadonlyMap<string, Option>) {
  const known = new Map<string, unknown>();
  return (name: string, value: SettingValue): unknown => {
    const key = `${name} ${JSON.stringify(value)}`;
    if (known.has(key)) return known.get(key);
    const option = options.get(name);
    if (!option) {
      throw new InvalidValueError(`there is no setting ${inWords(name)}; there are ${[...options.keys()].join(', ')}`);
    }
    const result = readValue(option, value, name);
    // Seeds of a large plan are many.
    if (known.size < 10_000) known.set(key, result);
    return result;
  };
}

function readValue(option: Option, value: SettingValue, name: string): unknown {
  const refuse = (expected: string): never => {
    throw new InvalidValueError(`${name} must be ${expected}, got ${inWords(value)}`);
  };
  if (option.isBoolean()) return typeof value === 'boolean' ? value || undefined : refuse('true or false');
  if (option.variadic) return Array.isArray(value) ? value : typeof value === 'string' ? [value] : refuse('texts');
  const schema = schemaOf(option) as { readonly type?: unknown };
  const isNumber = schema.type === 'number' || schema.type === 'integer';
  if (isNumber && typeof value !== 'number') return refuse('a number');
  if (!isNumber && typeof value !== 'string' && typeof value !== 'number') return refuse('a text');
  if (!option.parseArg) return typeof value === 'string' ? value : String(value);
  try {
    return option.parseArg(String(value), undefined as never);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const says = error.message.replace(/^[Ee]xpected /, '').replace(/\.$/, '');
    return refuse(says.replace(/^Allowed choices are /, 'one of '));
  }
}

function schemaOf(option: Option): object {
  const { description, defaultValue } = option;
  const text = { description, ...(defaultValue !== undefined && { default: defaultValue as unknown }) };
  if (option.isBoolean()) return { type: 'boolean', ...text };
  if (option.variadic) return { type: 'array', items: { type: 'string' }, ...text };
  if (option.argChoices) return { enum: option.argChoices, ...text };
  return { ...(NUMBERS.get(option.parseArg) ?? { type: ['string', 'number'] }), ...text };
}
