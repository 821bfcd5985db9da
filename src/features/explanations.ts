/** Explanations of latents in words, a JSON object a line: what people and language models write, and what pages show. Browser-safe. */
import { FileFormatError } from '../errors.ts';

/** What a latent responds to, in somebody's words. */
export interface Explanation {
  readonly latent: number;
  readonly text: string;
  readonly author?: string;
  /** How it was made, such as the name of a method or model. */
  readonly method?: string;
  /** How well it predicts the activations; the method says in which unit. */
  readonly score?: number;
}

/**
 * Reads explanations, one JSON object per line: `latent` and `text`, and where known `author`, `method`, `score`. The
 * fields of Neuronpedia's exports (`index`, `description`, `explanationModelName`, `typeName`) are also understood.
 * Blank lines are skipped.
 * @param dSae the number of latents
 * @param file the file's name, for messages
 * @throws FileFormatError for a line that is no such object, or a latent that is not below `dSae`; the message names
 *   the line
 */
export function readExplanations(text: string, dSae: number, file?: string): Explanation[] {
  const explanations: Explanation[] = [];
  for (const [i, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    const fail = (what: string, cause?: unknown): never => {
      throw new FileFormatError(`line ${i + 1}: ${what}`, { file, cause });
    };
    let entry: Record<string, unknown>;
    try {
      entry = JSON.parse(line) as Record<string, unknown>;
    } catch (cause) {
      return fail('not JSON', cause);
    }
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return fail('not a JSON object');
    const named = entry['latent'] ?? entry['index'] ?? entry['feature'];
    // Neuronpedia's ids of latents are text.
    const latent = typeof named === 'string' && /^\d+$/.test(named) ? Number(named) : named;
    const words = entry['text'] ?? entry['description'] ?? entry['explanation'];
    if (!Number.isSafeInteger(latent) || (latent as number) < 0 || (latent as number) >= dSae) {
      return fail(`latent is ${JSON.stringify(named)}; expected an integer from 0 to ${dSae - 1}`);
    }
    if (typeof words !== 'string' || words.trim() === '') return fail('text is missing');
    const author = entry['author'];
    const method = entry['method'] ?? entry['explanationModelName'] ?? entry['typeName'];
    const { score } = entry;
    explanations.push({
      latent: latent as number,
      text: words,
      ...(typeof author === 'string' && { author }),
      ...(typeof method === 'string' && { method }),
      ...(typeof score === 'number' && Number.isFinite(score) && { score }),
    });
  }
  return explanations;
}

/** Explanations as lines for `readExplanations`, in the order of latents. */
export function writeExplanations(explanations: readonly Explanation[]): string {
  return [...explanations]
    .sort((a, b) => a.latent - b.latent)
    .map(({ latent, text, author, method, score }) => `${JSON.stringify({ latent, text, author, method, score })}\n`)
    .join('');
}
