/** The examples of README and docs: their code, what they read, and the same with fewer steps. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../../src/files/index.ts';
import type { HostTensor } from '../../src/tensor.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Pages whose code is compiled and run; docs/bundle-format.md and docs/sweeps.md have tests of their own, which give them their data. */
const PAGES = ['README.md', 'docs/quick-start.md', 'docs/real-model.md', 'docs/library.md', 'docs/faults.md'];

export interface ReadmeExample {
  /** The page it stands on. */
  readonly page: string;
  readonly language: 'ts' | 'python';
  readonly code: string;
  /** What it calls first, for the name of a test. */
  readonly what: string;
  /** Whether it is for a page, which has `fileInput`, `activations` and `batch`. */
  readonly isForPage: boolean;
}

/** All examples, in their order. */
export const README_EXAMPLES: readonly ReadmeExample[] = PAGES.flatMap(page =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/```(ts|python)\n([\s\S]*?)```/g)].map(([, language, code]) => ({
    page,
    language: language as 'ts' | 'python',
    code: code!,
    what: /(loadSae|openHost|compile|train\w+|InferenceSession)(?=\()/.exec(code!)?.[1] ?? 'example',
    isForPage: code!.includes('fileInput'),
  })),
);

/** Training of seconds, where the README's takes minutes: every number below is the largest that stays. */
const MOST = { steps: 40, warmUpSteps: 10, restarts: 4, dSae: 64 };

/** The code with fewer steps, restarts and latents; nothing else is changed. */
export function shortened(code: string): string {
  return code.replace(
    /\b(steps|warmUpSteps|restarts|dSae): ([\d_]+)/g,
    (_, name: keyof typeof MOST, digits: string) =>
      `${name}: ${Math.min(MOST[name], Number(digits.replaceAll('_', '')))}`,
  );
}

/** Writes the files that the examples read, under the names that they give them. */
export function writeExampleFiles(folder: string): void {
  mkdirSync(join(folder, 'models'), { recursive: true });
  mkdirSync(join(folder, 'acts'), { recursive: true });
  cpSync(join(ROOT, 'models/sae.onnx'), join(folder, 'models/sae.onnx'));
  // A language model, an autoencoder for it, and what the model reads.
  for (const name of ['model.onnx', 'sae.onnx', 'ids.npy', 'mask.npy']) {
    cpSync(join(ROOT, 'test/host/language-model', name), join(folder, name));
  }
  for (const name of ['acts/0', 'acts/1']) {
    writeFileSync(join(folder, `${name}.safetensors`), writeSafetensors({ activations: waves(2048, 16) }));
  }
  const pairs = { mlp_in: waves(2048, 16), mlp_out: waves(2048, 12) };
  writeFileSync(join(folder, 'pairs.safetensors'), writeSafetensors(pairs));
}

/** Any rows that differ from each other. */
function waves(rows: number, width: number): HostTensor {
  return {
    data: Float32Array.from({ length: rows * width }, (_, i) => Math.sin(1 + i * i * 0.37)),
    shape: [rows, width],
  };
}
