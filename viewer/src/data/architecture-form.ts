/** What the Train page asks of each architecture: the library's registry as fields of a form. A new architecture appears by itself. */
import type { SettingFlag } from '../../../src/models/architectures/architecture.ts';
import { ARCHITECTURES } from './facts.ts';

/** One field of the form. */
export interface SettingField {
  /** The flag's name in camel case, by which the registry takes its value. */
  readonly name: string;
  readonly title: string;
  readonly says: string;
  readonly takes: SettingFlag['takes'];
  readonly choices: readonly string[] | undefined;
}

/** An architecture as the Train page offers it: its name in the registry, the title shown, and its settings. */
export interface ArchitectureForm {
  readonly kind: string;
  readonly title: string;
  readonly fields: readonly SettingField[];
}

/** The text in each field of the form, by the field's name. An empty text stands for the architecture's own default. */
export type FieldValues = Readonly<Record<string, string>>;

/**
 * The values that the form begins with, for settings that have no default in the library, or none that suits the small
 * toy models of this page.
 */
export const FIRST_VALUES: FieldValues = { k: '1', l1: '0.1', l0Coefficient: '0.03', widths: '2' };

const camel = (words: readonly string[]): string =>
  words.map((word, i) => (i === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('');

/** Titles of settings whose usual spelling cannot be made from the flag's name. */
const SPELLED: Readonly<Record<string, string>> = { k: 'k', l1: 'Weight of L1', 'target-l0': 'Target L0' };

function fieldOf({ flag, says, takes, choices }: SettingFlag): SettingField {
  const name = flag.split(' ', 1)[0]!.slice(2);
  const words = name.split('-');
  const title =
    SPELLED[name] ??
    words
      .join(' ')
      .replace(/^./, letter => letter.toUpperCase())
      .replace(/\bl0\b/i, 'L0');
  return { name: camel(words), title, says, takes, choices };
}

/** Every architecture that the library has. */
export const ARCHITECTURE_FORMS: readonly ArchitectureForm[] = __ARCHITECTURES__.map(({ kind, settings }) => ({
  kind,
  title: ARCHITECTURES[kind] ?? kind,
  fields: settings.map(fieldOf),
}));

/** The form's values as the flags of the command line would give them. Empty fields are left out. */
export function flagValues({ fields }: ArchitectureForm, values: FieldValues): Record<string, number | string | true> {
  const given: Record<string, number | string | true> = {};
  for (const { name, takes } of fields) {
    const value = values[name]?.trim() ?? '';
    if (value === '') continue;
    given[name] = takes === 'nothing' ? true : takes === 'a name' ? value : Number(value);
  }
  return given;
}
