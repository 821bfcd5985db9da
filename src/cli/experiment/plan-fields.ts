/** The settings of an experiment's command as fields of a plan: the same names, defaults and checks as on the command line. */
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { InvalidValueError } from '../../errors.ts';
import type { PlanSettings, SettingValue } from '../../sweeps/plan.ts';
import type { ResolvedSettings } from '../../sweeps/run-kind.ts';
import { inWords } from '../../wording.ts';
import { fraction, nonNegativeNumber, positiveInteger, positiveNumber, wholeNumber } from '../options.ts';
import { experimentCommand, seedNumber } from './command.ts';

/** The fields that a kind of run has in a plan. */
export interface PlanFields {
  readonly schema: Readonly<Record<string, object>>;
  /**
   * Every setting with its value.
   * @throws InvalidValueError that names the field
   */
  resolve(given: PlanSettings): ResolvedSettings;
}

/** The JSON schema of the values that each reader of numbers takes. */
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
  // This option asks for no training.
  ofEvery.add('printSettings');
  const fields = new Map<string, Field>();
  for (const option of command.options) {
    const name = option.attributeName();
    if (ofEvery.has(name)) continue;
    const known = fields.get(name);
    fields.set(name, known && option.negate ? { ...known, takesFalse: true } : fieldOf(option));
  }
  const defaults = Object.fromEntries(
    [...fields].flatMap(([name, { option }]) =>
      option.defaultValue === undefined ? [] : [[name, option.defaultValue]],
    ),
  );
  const read = reader(fields);
  return {
    schema: Object.fromEntries([...fields].map(([name, field]) => [name, schemaOf(field)])),
    resolve(given) {
      const names = Object.keys(given).filter(name => given[name] !== null);
      const own: Record<string, unknown> = Object.fromEntries(names.map(name => [name, read(name, given[name]!)]));
      for (const name of names) {
        const { conflictsWith } = fields.get(name)!.option as Option & { readonly conflictsWith: readonly string[] };
        const other = conflictsWith.find(field => names.includes(field));
        if (other) throw new InvalidValueError(`${name} cannot go with ${other}: one of them must not be given`);
      }
      // A default is dropped where a given setting excludes it.
      return { ...defaults, ...own };
    },
  };
}

/** An option as a setting of plans. */
interface Field {
  readonly option: Option;
  /** Whether it may be given without a value: `true` in a plan. */
  readonly takesTrue: boolean;
  /** Whether it can be switched off, as `--no-aux-k` does. */
  readonly takesFalse: boolean;
}

function fieldOf(option: Option): Field {
  return { option, takesTrue: option.isBoolean() || option.negate || option.optional, takesFalse: option.negate };
}

/** Reads the value of a field as its option does; values that were read before are remembered. */
function reader(fields: ReadonlyMap<string, Field>) {
  const known = new Map<string, unknown>();
  return (name: string, value: SettingValue): unknown => {
    const key = `${name} ${JSON.stringify(value)}`;
    if (known.has(key)) return known.get(key);
    const field = fields.get(name);
    if (!field) {
      throw new InvalidValueError(`there is no setting ${inWords(name)}; there are ${[...fields.keys()].join(', ')}`);
    }
    const result = readValue(field, value, name);
    // A large plan has many seeds, which would fill memory.
    if (known.size < 10_000) known.set(key, result);
    return result;
  };
}

function readValue(field: Field, value: SettingValue, name: string): unknown {
  const { option, takesTrue, takesFalse } = field;
  const refuse = (expected: string): never => {
    throw new InvalidValueError(`${name} must be ${expected}, got ${inWords(value)}`);
  };
  if (value === true && takesTrue) return option.negate ? undefined : true;
  if (value === false && takesFalse) return false;
  // A switch that is off counts as not given.
  if (value === false && option.isBoolean()) return undefined;
  if (option.isBoolean() || option.negate) return refuse('true or false');
  if (option.variadic) return Array.isArray(value) ? value : typeof value === 'string' ? [value] : refuse('texts');
  const schema = valueSchemaOf(option) as { readonly type?: unknown };
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

function schemaOf({ option, takesTrue, takesFalse }: Field): object {
  const { description, defaultValue } = option;
  const text = { description, ...(defaultValue !== undefined && { default: defaultValue as unknown }) };
  if (option.isBoolean() || option.negate) return { type: 'boolean', ...text };
  const own = valueSchemaOf(option);
  const said = [...(takesTrue ? [true] : []), ...(takesFalse ? [false] : [])];
  return said.length > 0 ? { anyOf: [own, { enum: said }], ...text } : { ...own, ...text };
}

function valueSchemaOf(option: Option): object {
  if (option.variadic) return { type: 'array', items: { type: 'string' } };
  if (option.argChoices) return { enum: option.argChoices };
  return NUMBERS.get(option.parseArg) ?? { type: ['string', 'number'] };
}
