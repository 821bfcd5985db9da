/** Turns the architectures' settings into options; each architecture names its own. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../errors.ts';
import type { FlagValues, SettingFlag } from '../../models/architectures/architecture.ts';
import {
  type ActivationConfig,
  type ActivationKind,
  architectureFlags,
  configFromFlags,
  flagsOf,
} from '../../models/architectures/registry.ts';
import { nonNegativeNumber, positiveInteger, positiveNumber } from '../options.ts';

const PARSERS = {
  'a positive number': positiveNumber,
  'a number of at least 0': nonNegativeNumber,
  'a count': positiveInteger,
} as const;

/** Adds an option for every setting of every architecture. */
export function addArchitectureOptions(command: Command): Command {
  for (const { flag, says, takes } of architectureFlags()) {
    const option = new Option(flag, says);
    const parser = PARSERS[takes as keyof typeof PARSERS];
    command.addOption(parser ? option.argParser(parser) : option);
  }
  return command;
}

/**
 * The configuration of `kind` with the flags that it has.
 * @throws UsageError for those it does not have
 */
export function activationConfig(kind: ActivationKind, options: FlagValues): ActivationConfig {
  const own = flagsOf(kind).map(nameOf);
  const foreign = architectureFlags().find(flag => options[nameOf(flag)] !== undefined && !own.includes(nameOf(flag)));
  if (foreign) {
    const there = flagsOf(kind).map(({ flag }) => flag.split(' ')[0]);
    throw new UsageError(
      `${foreign.flag.split(' ')[0]} is no setting of ${kind}; it has ${there.join(', ') || 'none'}`,
    );
  }
  return configFromFlags(kind, Object.fromEntries(own.map(name => [name, options[name]])));
}

/** The name under which commander keeps a flag's value. */
function nameOf({ flag }: SettingFlag): string {
  return new Option(flag).attributeName();
}
