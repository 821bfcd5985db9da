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

export interface ArchitectureForm {
  readonly kind: string;
  readonly title: string;
  readonly fields: readonly SettingField[];
}

/** Values as they stand in the form, by the names of their fields; '' is the architecture's own default. */
export type FieldValues = Readonly<Record<string, string>>;

/** What the form begins with, where an architecture has no default or none for the toy models of this page. */
export const FIRST_VALUES: FieldValues = { k: '1', l1: '0.1', l0Coefficient: '0.03', widths: '2' };

const camel = (words: readonly string[]): string =>
  words.map((word, i) => (i === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('');

/** Names that the field writes with capitals or a number. */
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

/** The form's values as the command line would have given them; fields that are empty are not given. */
export function flagValues({ fields }: ArchitectureForm, values: FieldValues): Record<string, number | string | true> {
  const given: Record<string, number | string | true> = {};
  for (const { name, takes } of fields) {
    const value = values[name]?.trim() ?? '';
    if (value === '') continue;
    given[name] = takes === 'nothing' ? true : takes === 'a name' ? value : Number(value);
  }
  return given;
}
