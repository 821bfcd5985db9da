/** Options of the commands that run a host model over data. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Provider } from '../sessions/runtime.ts';
import { positiveInteger } from './options.ts';

/** Options that say how a host model is run. */
export interface HostRunOptions {
  readonly provider?: Provider | 'auto';
  readonly threads?: number | undefined;
}

/** The data that a host is run over, and which positions of them count. */
export interface HostDataOptions extends HostRunOptions {
  readonly tensor: string;
  readonly targetTensor?: string;
  readonly channelsAxis?: number;
  readonly input?: readonly string[];
  readonly mask?: string;
  readonly labels?: string;
  readonly text?: string;
  readonly tokenizer?: string;
  readonly textField?: string;
  readonly contextSize?: number;
  readonly specialTokens?: boolean;
  readonly dropSpecial?: boolean;
  readonly dropTokens?: readonly number[];
  readonly batchSize?: number;
}

function axis(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('expected an axis, such as 1.');
  return value;
}

/** Reads token ids separated by commas. */
function tokenIds(text: string): number[] {
  const ids = text.split(',').map(part => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN));
  if (ids.some(Number.isNaN)) throw new InvalidArgumentError('expected token ids separated by commas.');
  return ids;
}

/** Adds `--provider` and `--threads`. */
export function addHostRunOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--provider <name>', 'where to run; auto takes the best that loads')
        .choices(['auto', 'cuda', 'webgpu', 'cpu'])
        .default('auto'),
    )
    .option('--threads <n>', 'threads of the cpu provider (default: one per core)', positiveInteger);
}

/** Adds the tensor, and for transcoders the second one. */
function addTensorOptions(command: Command, isRequired = true): Command {
  command
    .addOption(
      new Option('--tensor <name>', 'the hidden tensor; `monosemantic tensors` lists them').makeOptionMandatory(
        isRequired,
      ),
    )
    .option('--target-tensor <name>', 'for transcoders: the tensor that is given for it');
  return addChannelsAxisOption(command);
}

/** Adds `--channels-axis`. */
export function addChannelsAxisOption(command: Command): Command {
  return command.option(
    '--channels-axis <n>',
    'the axis that holds the channels: 1 for [batch, d, h, w] (default: the last)',
    axis,
  );
}

/** Adds the options for the model's data: arrays or text. */
export function addHostInputOptions(command: Command): Command {
  return command
    .option(
      '--input <[name=]file...>',
      'arrays [samples, …] in .npy, .json or .csv; without a name the input that is not a mask',
    )
    .option(
      '--mask <file>',
      '[samples, seq], 0 where padded: feeds the attention mask, and padded positions are left out',
    )
    .option('--text <file>', 'JSON lines, or a text on each line')
    .option('--tokenizer <file>', "the model's tokenizer.json; nothing is downloaded")
    .option('--text-field <name>', 'the key of the text in JSON lines (default: text)')
    .option(
      '--context-size <n>',
      'tokens of a sequence at most; longer texts become several (default: 128)',
      positiveInteger,
    )
    .option('--no-special-tokens', 'without the special tokens that the tokenizer adds')
    .option('--drop-special', "leave out positions of the tokenizer's special tokens")
    .option('--drop-tokens <ids>', 'leave out positions of these token ids', tokenIds);
}

/** Adds tensor, data and provider. `isTensorRequired`: false for a command that can do without a model. */
export function addHostDataOptions(command: Command, isTensorRequired = true): Command {
  addTensorOptions(command, isTensorRequired).optionsGroup('What the model is run over:');
  addHostInputOptions(command).option('--batch-size <n>', 'samples run at once (default: 16)', positiveInteger);
  return addHostRunOptions(command.optionsGroup('Where it runs:'));
}
