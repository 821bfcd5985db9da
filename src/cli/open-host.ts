/** Opens a host model and its data for a command. */
import { existsSync } from 'node:fs';
import { UsageError } from '../errors.ts';
import { mainInput } from '../host/feeds.ts';
import type { HostModel } from '../host/host-model.ts';
import { arrayData, type HostData, type StoredInput } from '../host/input-batches.ts';
import { openHost } from '../host/node.ts';
import { type OpenInput, openInput } from '../host/stored-inputs.ts';
import { textData } from '../host/text-data.ts';
import type { HostDataOptions, HostRunOptions } from './host-options.ts';

/** A host with its data. */
export interface OpenHostData {
  readonly host: HostModel;
  readonly data: HostData;
  /** The options that `activations` and `evaluate` take. */
  readonly rows: {
    readonly tensor: string;
    readonly target: string | undefined;
    readonly channelsAxis: number | undefined;
    readonly batchSize: number | undefined;
    readonly dropTokens: ReadonlySet<number>;
    readonly signal: AbortSignal | undefined;
  };
  close(): Promise<void>;
}

/** Opens a host for the options of a command. */
export function openHostFile(file: string, { provider, threads }: HostRunOptions): Promise<HostModel> {
  return openHost(file, { ...(provider !== undefined && { provider }), ...(threads !== undefined && { threads }) });
}

/** Opens inputs, each given as `name=file`; a file without a name feeds the main input. */
async function openInputs(
  host: HostModel,
  given: readonly string[],
  opened: OpenInput[],
): Promise<Record<string, StoredInput>> {
  const inputs: Record<string, StoredInput> = {};
  for (const entry of given) {
    const at = entry.indexOf('=');
    const named = at > 0 && host.inputs.some(({ name }) => name === entry.slice(0, at));
    if (at > 0 && !named && !existsSync(entry)) {
      throw new UsageError(
        `--input ${entry}: the model has no input ${entry.slice(0, at)}, and there is no such file; its inputs are ${host.inputs.map(input => input.name).join(', ')}`,
      );
    }
    const name = named ? entry.slice(0, at) : mainInput(host.inputs).name;
    if (inputs[name]) throw new UsageError(`--input ${entry}: ${name} is fed twice`);
    const input = await openInput(named ? entry.slice(at + 1) : entry);
    opened.push(input);
    inputs[name] = input;
  }
  return inputs;
}

/**
 * Opens the host `file` and the data that the options name.
 * @throws UsageError where they name no data, or two kinds
 */
export async function openHostData(
  file: string,
  options: HostDataOptions,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<OpenHostData> {
  const { input = [], mask, labels, text, tokenizer, dropTokens = [] } = options;
  if (input.length > 0 === (text !== undefined)) throw new UsageError('give either --input or --text with --tokenizer');
  if (text !== undefined && tokenizer === undefined) throw new UsageError('--text needs --tokenizer, a tokenizer.json');
  if (text !== undefined && mask !== undefined)
    throw new UsageError('--mask goes with --input: of --text every token counts');
  if (text !== undefined && labels !== undefined) throw new UsageError('--labels goes with --input, not with --text');
  if (options.dropSpecial && text === undefined) {
    throw new UsageError('--drop-special needs --text and --tokenizer; name the ids instead: --drop-tokens 0,1');
  }
  const host = await openHostFile(file, options);
  const opened: OpenInput[] = [];
  const close = async (): Promise<void> => {
    for (const part of opened) await part.close();
    await host.dispose();
  };
  try {
    const special: number[] = [];
    let data: HostData;
    if (text === undefined) {
      const inputs = await openInputs(host, input, opened);
      const beside: { mask?: StoredInput; labels?: StoredInput } = {};
      for (const [name, path] of [
        ['mask', mask],
        ['labels', labels],
      ] as const) {
        if (path === undefined) continue;
        const array = await openInput(path);
        opened.push(array);
        beside[name] = array;
      }
      data = arrayData(host.inputs, inputs, beside);
    } else {
      const texts = await textData(host.inputs, {
        file: text,
        tokenizer: tokenizer!,
        field: options.textField,
        contextSize: options.contextSize,
        addSpecialTokens: options.specialTokens,
      });
      if (options.dropSpecial) special.push(...texts.specialTokens);
      data = texts;
    }
    const rows = {
      tensor: options.tensor,
      target: options.targetTensor,
      channelsAxis: options.channelsAxis,
      batchSize: options.batchSize,
      dropTokens: new Set([...dropTokens, ...special]),
      signal,
    };
    return { host, data, rows, close };
  } catch (error) {
    await close();
    throw error;
  }
}
