/**
 * The texts of a tokenizer's ids, read from its `tokenizer.json` (Hugging Face's format) without running it: for pages, rules and logits.
 * Byte-level vocabularies (GPT-2, Llama 3, SmolLM2) write bytes as printable characters, SentencePiece ones a space as ▁ and single bytes
 * as <0x0A>; both become plain text here. Browser-safe.
 */
import { FileFormatError } from '../errors.ts';

/** Texts by id; '' for ids without an entry. */
export type TokenTexts = readonly string[];

/** Ids beyond this are no vocabulary's. */
const MOST_TOKENS = 2 ** 24;

/**
 * Reads the texts of all ids.
 * @throws FileFormatError where the JSON is no tokenizer's: without `model.vocab`, or with ids that are not small
 *   integers
 */
export function readTokenTexts(json: string, file?: string): TokenTexts {
  let tokenizer: Tokenizer;
  try {
    tokenizer = JSON.parse(json) as Tokenizer;
  } catch (cause) {
    throw new FileFormatError('expected a tokenizer.json: it is not JSON', { file, cause });
  }
  const vocabulary = tokenizer?.model?.vocab;
  if (typeof vocabulary !== 'object' || vocabulary === null) {
    throw new FileFormatError('expected a tokenizer.json: it has no model.vocab', { file });
  }
  // Unigram models list [token, score] pairs, all others map tokens to ids.
  const entries: [string, number][] = Array.isArray(vocabulary)
    ? vocabulary.map((entry, id) => [String((entry as readonly unknown[])[0]), id])
    : Object.entries(vocabulary as Record<string, number>);
  const kinds = decoderKinds(tokenizer.decoder);
  const isByteLevel = kinds.has('ByteLevel') || preTokenizerKinds(tokenizer.pre_tokenizer).has('ByteLevel');
  const isWordPiece = tokenizer.model?.type === 'WordPiece';
  const texts: string[] = [];
  const put = (id: number, text: string): void => {
    if (!Number.isSafeInteger(id) || id < 0 || id >= MOST_TOKENS) {
      throw new FileFormatError(`token ${JSON.stringify(text)} has the id ${id}; expected a small integer`, { file });
    }
    while (texts.length <= id) texts.push('');
    texts[id] = text;
  };
  for (const [token, id] of entries) {
    put(id, isByteLevel ? fromByteLevel(token) : isWordPiece ? fromWordPiece(token) : fromSentencePiece(token));
  }
  for (const { id, content } of tokenizer.added_tokens ?? []) put(id, content);
  return texts;
}

interface Tokenizer {
  readonly model?: { readonly type?: string; readonly vocab?: unknown };
  readonly decoder?: Component | null;
  readonly pre_tokenizer?: Component | null;
  readonly added_tokens?: readonly { readonly id: number; readonly content: string }[];
}

interface Component {
  readonly type?: string;
  readonly decoders?: readonly Component[];
  readonly pretokenizers?: readonly Component[];
}

const decoderKinds = (decoder: Component | null | undefined): Set<string | undefined> =>
  new Set([decoder?.type, ...(decoder?.decoders ?? []).map(({ type }) => type)]);

const preTokenizerKinds = (component: Component | null | undefined): Set<string | undefined> =>
  new Set([component?.type, ...(component?.pretokenizers ?? []).map(({ type }) => type)]);

/**
 * GPT-2's characters for bytes (bytes_to_unicode): printable Latin-1 stands for itself, the other bytes for 256, 257 … in order.
 */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  (() => {
    const isPrintable = (byte: number): boolean =>
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    let shifted = 256;
    return Array.from({ length: 256 }, (_, byte): [string, number] => [
      String.fromCodePoint(isPrintable(byte) ? byte : shifted++),
      byte,
    ]);
  })(),
);

function fromByteLevel(token: string): string {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character);
    // A special token that is written out.
    if (byte === undefined) return token;
    bytes.push(byte);
  }
  return readableBytes(Uint8Array.from(bytes));
}

function fromSentencePiece(token: string): string {
  const byte = /^<0x([0-9A-F]{2})>$/i.exec(token)?.[1];
  return byte === undefined ? token.replaceAll('▁', ' ') : readableBytes(Uint8Array.of(Number.parseInt(byte, 16)));
}

/** A piece that begins a word has a space before it. */
function fromWordPiece(token: string): string {
  if (token.startsWith('##')) return token.slice(2);
  return /^\[[A-Z]+\]$/.test(token) || /^\p{P}$/u.test(token) ? token : ` ${token}`;
}

/** UTF-8 as text; bytes that are no whole character as <0xE2>. */
function readableBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const length = characterLength(bytes, at);
      if (length === 0) text += `<0x${bytes[at++]!.toString(16).toUpperCase().padStart(2, '0')}>`;
      else {
        text += new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(at, at + length));
        at += length;
      }
    }
    return text;
  }
}

/** Bytes of the UTF-8 character that begins at `at`; 0 where none does. */
function characterLength(bytes: Uint8Array, at: number): number {
  for (const length of [1, 2, 3, 4]) {
    if (at + length > bytes.length) return 0;
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      // A longer piece may be a whole character.
    }
  }
  return 0;
}
