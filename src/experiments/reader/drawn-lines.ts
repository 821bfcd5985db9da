/** Lines of an English text, drawn as the images that a text recogniser reads. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Resvg } from '@resvg/resvg-js';
import { createRandomSource, type RandomSource } from '../../data/random-source.ts';
import type { HostData, InputBatch } from '../../host/input-batches.ts';
import { WORDS } from './words.ts';

/** Size of an image, in pixels: what the recogniser reads. */
const [HEIGHT, WIDTH] = [48, 320];
const require = createRequire(import.meta.url);

/**
 * Images of lines of one to four words, each drawn when it is read.
 * @param count how many images
 * @param seed the same seed gives the same images; different seeds give different ones
 * @returns batches of the input `x`, [batch, 3, 48, 320] from −1 to 1
 */
export function drawnLines(count: number, seed: number): HostData {
  const words = WORDS.trim().split(/\s+/);
  const draw = painter();
  const image = (sample: number): Float32Array => {
    const random = createRandomSource(seed * 1_000_000 + sample);
    const line = Array.from({ length: 1 + random.integer(4) }, () => words[random.integer(words.length)]!);
    return draw(line.join(' ').slice(0, 22), random);
  };
  return {
    samples: count,
    identity: `${count} lines of words.ts, seed ${seed}`,
    *batches({ batchSize, from = 0 }): Generator<InputBatch> {
      for (let start = from; start < count; start += batchSize) {
        const samples = Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i);
        const data = new Float32Array(samples.length * 3 * HEIGHT * WIDTH);
        samples.forEach((sample, i) => {
          data.set(image(sample), i * 3 * HEIGHT * WIDTH);
        });
        yield {
          inputs: { x: { data, shape: [samples.length, 3, HEIGHT, WIDTH] } },
          samples,
          resumeFrom: start + samples.length,
        };
      }
    },
  };
}

/** A function that draws one line of text as [3, height, width], from −1 to 1: its place, size and grey are random. */
function painter(): (text: string, random: RandomSource) => Float32Array {
  // Optional packages, loaded once a line is to be drawn.
  const { Resvg } = require('@resvg/resvg-js') as { Resvg: typeof import('@resvg/resvg-js').Resvg };
  const fonts = dirname(require.resolve('@expo-google-fonts/inter/package.json'));
  const fontFiles = [join(fonts, '400Regular/Inter_400Regular.ttf')];
  return (text, random) => {
    const between = (low: number, high: number) => (low + (high - low) * random.uniform()).toFixed(1);
    const grey = Math.floor(160 * random.uniform());
    const escaped = text.replace(/[<>&]/g, character => `&#${character.charCodeAt(0)};`);
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
    <rect width="100%" height="100%" fill="rgb(${250 - grey / 10},${245},${240})"/>
    <text x="${between(2, 20)}" y="${between(31, 38)}" font-family="Inter" font-size="${between(20, 30)}" fill="rgb(${grey},${grey},${grey})">${escaped}</text>
  </svg>`;
    const drawn: Resvg = new Resvg(svg, { font: { fontFiles, loadSystemFonts: false, defaultFontFamily: 'Inter' } });
    const { pixels } = drawn.render();
    const planes = new Float32Array(3 * HEIGHT * WIDTH);
    for (let at = 0; at < HEIGHT * WIDTH; at++) {
      for (let channel = 0; channel < 3; channel++)
        planes[channel * HEIGHT * WIDTH + at] = pixels[4 * at + channel]! / 127.5 - 1;
    }
    return planes;
  };
}
