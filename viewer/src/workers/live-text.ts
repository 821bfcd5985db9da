/**
 * Runs text through a spliced model (`monosemantic splice`): tokens come from `@huggingface/tokenizers`, features and
 * logits from ONNX Runtime's WASM. The model is one graph, so that a run with `features_delta` shows how the prediction
 * changes.
 */
import { Tokenizer } from '@huggingface/tokenizers';
import { FileFormatError, InvalidValueError } from '../../../src/errors.ts';
import { completeInputs, fromTensor, type HostInputs, mainInput, toTensor } from '../../../src/host/feeds.ts';
import { SPLICE_KEY } from '../../../src/host/merge-sae.ts';
import { encodeProto } from '../../../src/onnx/cut.ts';
import { requireSelfContained } from '../../../src/onnx/every-tensor.ts';
import { hasExternalData, inlineExternalData } from '../../../src/onnx/external-data.ts';
import { describeInputs, describeOutputs, type TensorDescription } from '../../../src/onnx/inspect.ts';
import { metadataProperties, type OnnxModel, readModel } from '../../../src/onnx/read.ts';
import type { Runtime } from '../../../src/sessions/runtime.ts';
import { openSession, type Session } from '../../../src/sessions/session.ts';
import type { Prediction, SplicedText, TextReading, TextRequest } from '../data/live-text.ts';
import type { Pin } from './inference-api.ts';

/** The most tokens that are read. The rest of a longer text is left out. */
const MOST_TOKENS = 256;
/** How many predictions are given for each token. */
const PREDICTIONS = 8;

interface OpenText {
  readonly session: Session;
  readonly inputs: readonly TensorDescription[];
  readonly tokens: string;
  readonly features: string;
  readonly delta: string | undefined;
  readonly logits: string | undefined;
  readonly dSae: number;
}

interface Splice {
  readonly tensor: string;
  readonly features: string;
  readonly d_sae: number;
  readonly features_delta: string | null;
}

function spliceOf(model: OnnxModel, name: string): Splice | undefined {
  const text = metadataProperties(model)[SPLICE_KEY];
  if (text === undefined) return undefined;
  const { tensor, features, d_sae, features_delta } = JSON.parse(text) as Partial<Splice>;
  const isWhole = typeof tensor === 'string' && typeof features === 'string' && Number.isSafeInteger(d_sae);
  if (!isWhole) throw new FileFormatError(`its metadata ${SPLICE_KEY} names no features`, { file: name });
  return { tensor, features, d_sae: d_sae!, features_delta: features_delta ?? null };
}

/** The largest of `scores`, as shares of the softmax over all. */
function mostLikely(
  scores: ArrayLike<number>,
  from: number,
  size: number,
  decode: (id: number) => string,
): Prediction[] {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) largest = Math.max(largest, scores[from + i]!);
  let total = 0;
  const best: number[] = [];
  for (let i = 0; i < size; i++) {
    const score = scores[from + i]!;
    total += Math.exp(score - largest);
    if (best.length === PREDICTIONS && score <= scores[from + best.at(-1)!]!) continue;
    const place = best.findIndex(other => scores[from + other]! < score);
    best.splice(place < 0 ? best.length : place, 0, i);
    if (best.length > PREDICTIONS) best.pop();
  }
  return best.map(id => ({ token: decode(id), share: Math.exp(scores[from + id]! - largest) / total }));
}

/** The methods for the text page. */
export interface LiveTextApi {
  /** Opens a spliced model in place of the one that is open. Gives undefined where the file is no spliced model. */
  openText(file: Blob, name: string, beside: Readonly<Record<string, Blob>>): Promise<SplicedText | undefined>;
  /** Makes texts be read by this tokenizer.json, and its tokenizer_config.json, from now on. */
  useTokenizer(file: Blob, config: Blob | undefined): Promise<void>;
  /** Runs a text. Without a tokenizer the text is token ids that are separated by spaces. */
  readText(request: TextRequest): Promise<TextReading>;
}

/**
 * Makes the methods for the text page.
 * @param runtimeOf - Gives ONNX Runtime once it has its wasm.
 */
export function createLiveText(runtimeOf: () => Promise<Runtime>): LiveTextApi {
  const open = new Map<string, OpenText>();
  let tokenizer: Tokenizer | undefined;

  function idsOf(text: string): number[] {
    if (tokenizer) {
      const ids: (number | undefined)[] = tokenizer.encode(text).ids;
      // A token that is not in the vocabulary has no id, unless the vocabulary has a token for the unknown.
      const at = ids.indexOf(undefined);
      if (at >= 0) throw new InvalidValueError(`the tokenizer has no token for part ${at + 1} of the text`);
      return ids as number[];
    }
    const words = text.split(/[\s,]+/).filter(word => word !== '');
    const foreign = words.find(word => !/^\d+$/.test(word));
    if (foreign !== undefined) {
      throw new InvalidValueError(`"${foreign}" is no token id: open the model's tokenizer.json to type words`);
    }
    return words.map(Number);
  }
  const decode = (id: number): string =>
    tokenizer?.decode([id], { skip_special_tokens: false, clean_up_tokenization_spaces: false }) ?? String(id);

  async function run(model: OpenText, ids: readonly number[], added: readonly Pin[]) {
    const runtime = await runtimeOf();
    const { inputs, dSae, delta } = model;
    const given: Record<string, HostInputs[string]> = { [model.tokens]: { data: ids, shape: [1, ids.length] } };
    if (delta !== undefined) {
      const data = new Float32Array(ids.length * dSae);
      for (const { latent, value } of added) for (let at = latent; at < data.length; at += dSae) data[at] = value;
      given[delta] = { data, shape: [1, ids.length, dSae] };
    }
    const complete = completeInputs(inputs, given);
    const feeds = inputs.map(({ name, type }) => [name, toTensor(runtime, type, complete[name]!, name)] as const);
    const outputs = [model.features, ...(model.logits === undefined ? [] : [model.logits])];
    const results = await model.session.run(Object.fromEntries(feeds), outputs);
    const features = fromTensor(results[model.features]!, model.features).data;
    const logits = model.logits === undefined ? undefined : fromTensor(results[model.logits]!, model.logits);
    const width = logits?.shape.at(-1) ?? 0;
    const next = logits ? ids.map((_, at) => mostLikely(logits.data, at * width, width, decode)) : [];
    return { features, next };
  }

  return {
    async openText(file, name, beside) {
      const read = readModel(new Uint8Array(await file.arrayBuffer()), { file: name });
      const splice = spliceOf(read, name);
      if (!splice) return undefined;
      const model = hasExternalData(read)
        ? await inlineExternalData(read, async (location, offset, length) => {
            const other = beside[location] ?? beside[location.split('/').at(-1)!];
            if (!other) throw new FileFormatError(`its data is in '${location}': open both together`, { file: name });
            return new Uint8Array(await other.slice(offset, offset + length).arrayBuffer());
          })
        : read;
      const { d_sae: dSae, features, features_delta: delta, tensor } = splice;
      const inputs = describeInputs(model);
      const rest = inputs.filter(input => input.name !== delta);
      const outputs = describeOutputs(model).filter(output => output.name !== features);
      const logits =
        outputs.find(output => output.name === 'logits') ?? outputs.find(({ shape }) => shape?.length === 3);
      requireSelfContained(model.proto, name);
      const { session } = await openSession(await runtimeOf(), encodeProto(model.proto), {
        provider: 'wasm',
        file: name,
      });
      for (const [id, { session: before }] of open) {
        open.delete(id);
        await before.dispose();
      }
      const id = crypto.randomUUID();
      const names = { tokens: mainInput(rest).name, features, delta: delta ?? undefined, logits: logits?.name };
      open.set(id, { session, inputs, dSae, ...names });
      return { id, name, tensor, dSae, canSteer: delta !== null };
    },

    async useTokenizer(file, config) {
      const parsed = async (blob: Blob): Promise<object> => JSON.parse(await blob.text()) as object;
      try {
        tokenizer = new Tokenizer(await parsed(file), config ? await parsed(config) : {});
      } catch (cause) {
        throw new FileFormatError(`cannot be read as a tokenizer: ${(cause as Error).message}`, { cause });
      }
    },

    async readText({ model: id, text, added }) {
      const model = open.get(id);
      if (!model) throw new Error('the model is no longer open');
      const ids = idsOf(text).slice(0, MOST_TOKENS);
      if (ids.length === 0) return { tokens: [], latents: [], next: [], steered: undefined };
      const plain = await run(model, ids, []);
      const latents = ids.map((_, at) => {
        const firing: number[] = [];
        const start = at * model.dSae;
        for (let i = 0; i < model.dSae; i++) if (plain.features[start + i]! !== 0) firing.push(i);
        firing.sort((a, b) => plain.features[start + b]! - plain.features[start + a]! || a - b);
        return {
          latents: Int32Array.from(firing),
          values: Float32Array.from(firing, latent => plain.features[start + latent]!),
        };
      });
      const isSteered = model.delta !== undefined && added.length > 0;
      const steered = isSteered ? (await run(model, ids, added)).next : undefined;
      return { tokens: ids.map(decode), latents, next: plain.next, steered };
    },
  };
}
