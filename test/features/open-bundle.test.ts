/** Reading bundles: over HTTP ranges, from Blobs, from bytes; and what happens to damaged ones. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildFeatureBundle } from '../../src/features/build-bundle.ts';
import { rowsOf } from '../../src/features/feature-rows.ts';
import { folderSource } from '../../src/features/node-bundle-source.ts';
import { type FeatureBundle, openFeatureBundle } from '../../src/features/open-bundle.ts';
import { openFeatureBundle as openFromPath } from '../../src/features/open-bundle-folder.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { rejection } from '../inference/rejection.ts';
import { writeCase } from './bundle-cases.ts';

const LATENTS = 400;

describe('opening feature bundles', () => {
  let folder: string;
  let files: Map<string, Uint8Array>;
  let expected: unknown;
  const asPlain = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (_, part) => (ArrayBuffer.isView(part) ? [...(part as Float32Array)] : part)));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'monosemantic-open-'));
    const rows = 2000;
    const data = writeCase(join(folder, 'case'), { seed: 7, rows, dIn: 16, dSae: LATENTS, k: 8 });
    const tokens = Int32Array.from({ length: rows }, (_, i) => i % 60);
    await buildFeatureBundle({
      sae: data.sae,
      rows: rowsOf({ activations: data.activations, width: 16, tokens, positions: tokens }),
      out: join(folder, 'pages'),
      tokenizer: { name: 'tokenizer.json', sha256: '', texts: Array.from({ length: 60 }, (_, i) => ` t${i}`) },
    });
    files = new Map(
      readdirSync(join(folder, 'pages')).map(name => [name, new Uint8Array(readFileSync(join(folder, 'pages', name)))]),
    );
    expected = asPlain(await (await openFeatureBundle(files)).feature(123));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Serves the bundle; the bytes that were sent, by file. */
  async function serve(use: (address: string, sent: Map<string, number>) => Promise<void>, hasRanges = true) {
    const sent = new Map<string, number>();
    const server: Server = createServer((request, response) => {
      const name = decodeURIComponent(request.url!.slice('/pages/'.length));
      const bytes = files.get(name);
      if (!bytes) return response.writeHead(404).end();
      const range = hasRanges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
      const [start, end] = range
        ? [Number(range[1]), range[2] ? Number(range[2]) + 1 : bytes.length]
        : [0, bytes.length];
      const part = bytes.subarray(start, end);
      sent.set(name, (sent.get(name) ?? 0) + part.length);
      const headers = range ? { 'Content-Range': `bytes ${start}-${end - 1}/${bytes.length}` } : {};
      return response.writeHead(range ? 206 : 200, headers).end(part);
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/pages`, sent);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it('reads one latent over HTTP by ranges, a small part of the files', async () => {
    await serve(async (address, sent) => {
      const bundle = await openFeatureBundle(address);
      expect(asPlain(await bundle.feature(123))).to.deep.equal(expected);
      for (const name of ['features.safetensors', 'examples.safetensors']) {
        expect(sent.get(name)!, name).to.be.below(files.get(name)!.length / 20);
      }
      const before = sent.get('examples.safetensors')!;
      await bundle.feature(5);
      expect(sent.get('examples.safetensors')! - before).to.be.below(files.get('examples.safetensors')!.length / 50);
      expect(sent.get('overview.safetensors')).to.equal(files.get('overview.safetensors')!.length);
    });
  });

  it('reads from a server without ranges, Blobs, files with names, and a folder', async () => {
    const same = async (bundle: FeatureBundle): Promise<void> => {
      expect(asPlain(await bundle.feature(123))).to.deep.equal(expected);
    };
    await serve(async address => same(await openFeatureBundle(new URL(`${address}/bundle.json`))), false);
    const blobs = new Map([...files].map(([name, bytes]) => [name, new Blob([bytes as Uint8Array<ArrayBuffer>])]));
    await same(await openFeatureBundle(blobs));
    const dropped = [...files].map(([name, bytes]) => new File([bytes as Uint8Array<ArrayBuffer>], name));
    await same(await openFeatureBundle(dropped));
    const bundle = await openFeatureBundle(folderSource(join(folder, 'pages')));
    await same(bundle);
    await bundle.close();
    const byPath = await openFromPath(`${join(folder, 'pages')}/`);
    await same(byPath);
    await byPath.close();
  });

  it('says what is not there', async () => {
    const missing = await rejection(openFeatureBundle(folderSource(join(folder, 'nowhere'))));
    expect(missing.message).to.match(/nowhere.bundle\.json: there is no such file/);
    expect((await rejection(openFeatureBundle(new Map()))).message).to.match(/bundle\.json: .*given were no files/);
    await serve(async address => {
      expect((await rejection(openFeatureBundle(`${address}/other/`))).message).to.match(/answers 404/);
    });
    const bundle = await openFeatureBundle(files);
    for (const latent of [-1, LATENTS, 1.5]) {
      expect((await rejection(bundle.feature(latent))).name).to.equal('InvalidValueError');
    }
  });

  /** Everything that a page would ask for. */
  async function readAll(location: Map<string, Uint8Array>): Promise<void> {
    const bundle = await openFeatureBundle(location);
    await bundle.heldExamples();
    await bundle.tokens();
    for (let latent = 0; latent < LATENTS; latent += 13) await bundle.feature(latent);
  }

  const withManifest = (change: (manifest: Record<string, object>) => unknown): Map<string, Uint8Array> => {
    const manifest = JSON.parse(new TextDecoder().decode(files.get('bundle.json')!)) as Record<string, object>;
    change(manifest);
    return new Map([...files, ['bundle.json', new TextEncoder().encode(JSON.stringify(manifest))]]);
  };

  it('refuses damaged bundles with an error that names the file', async () => {
    const cases: [string, Map<string, Uint8Array>, RegExp][] = [
      ['another version', withManifest(m => Object.assign(m, { version: 2 })), /bundle\.json: version 2/],
      ['another format', withManifest(m => Object.assign(m, { format: 'x' })), /bundle\.json: format is "x"/],
      ['no settings', withManifest(m => Object.assign(m, { settings: 3 })), /settings is 3; expected an object/],
      [
        'absurd width',
        withManifest(m => Object.assign(m['sae']!, { d_sae: 2 ** 30 })),
        /sae\.d_sae is 1073741824; expected an integer from 1/,
      ],
      [
        'another width',
        withManifest(m => Object.assign(m['sae']!, { d_sae: 401 })),
        /overview\.safetensors: count has/,
      ],
      [
        'other bins',
        withManifest(m => Object.assign(m['settings']!, { histogram_bins: 49 })),
        /features\.safetensors: histogram has the shape/,
      ],
      ['a file less', withManifest(m => delete (m['files'] as Record<string, unknown>)['rules.json']), /list rules/],
    ];
    for (const name of files.keys()) {
      const bytes = files.get(name)!;
      cases.push(
        [`${name} cut`, new Map([...files, [name, bytes.subarray(0, bytes.length - 9)]]), /./],
        [`${name} empty`, new Map([...files, [name, new Uint8Array(0)]]), /./],
        [`${name} gone`, new Map([...files].filter(([other]) => other !== name)), /./],
        [`${name} of zeros`, new Map([...files, [name, new Uint8Array(bytes.length)]]), /./],
      );
    }
    for (const [what, location, message] of cases) {
      const error = await rejection(readAll(location)).catch(() => expect.fail(`${what} was read`));
      expect(error.name, `${what}: ${error.stack}`).to.equal('FileFormatError');
      expect(error.message, what).to.match(message);
    }
  });

  it('refuses offsets and contexts that contradict each other', async () => {
    const overview = (name: string, change: (values: Float64Array) => void): Map<string, Uint8Array> => {
      const bytes = files.get('overview.safetensors')!.slice();
      const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
      const [start, end] = header[name].data_offsets as [number, number];
      const view = new BigInt64Array(bytes.buffer.slice(8 + length + start, 8 + length + end));
      const values = Float64Array.from(view, Number);
      change(values);
      bytes.set(new Uint8Array(BigInt64Array.from(values, value => BigInt(value)).buffer), 8 + length + start);
      return new Map([...files, ['overview.safetensors', bytes]]);
    };
    for (const location of [
      overview('example_offsets', values => values.fill(7, 5, 9)),
      overview('example_offsets', values => values.fill(1e9, 3)),
      overview('context_offsets', values => values.fill(2 ** 50, 50)),
      overview('context_offsets', values => values.fill(0)),
      new Map([...files, ['examples.safetensors', writeSafetensors({ row: { data: [1], shape: [1] } })]]),
    ]) {
      expect((await rejection(readAll(location))).name).to.equal('FileFormatError');
    }
  });
});
