/**
 * Models that PyTorch exports now, other seeds and both exporters, spliced here and run by ONNX Runtime in Python. The interpreter is
 * MONOSEMANTIC_PYTHON or python3, with torch, onnx, onnxruntime and numpy, and onnxscript for the dynamo exporter; MONOSEMANTIC_CASES_SEED
 * gives other models.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readNpy } from '../../src/files/index.ts';
import { type Evaluation, evaluate, splice } from '../../src/host/index.ts';

const PYTHON = process.env['MONOSEMANTIC_PYTHON'] || 'python3';
const SCRIPT = fileURLToPath(new URL('make_language_model.py', import.meta.url));

/** Runs merged models: how far logits and features at kept positions are from PyTorch's, and what onnx.checker says of both files. */
const CHECK = `
import json, sys, numpy as np, onnx, onnxruntime as ort
folder, host, merged = sys.argv[1:4]
expected = json.load(open(f"{folder}/expected.json")); ids, mask = np.load(f"{folder}/ids.npy"), np.load(f"{folder}/mask.npy"); keep = mask.astype(bool)
def checked(file):
    try: onnx.checker.check_model(file, full_check=True); return True
    except Exception as error: return False
logits, features = ort.InferenceSession(merged).run(["logits", "features"], {"input_ids": ids, "attention_mask": mask})
print(json.dumps({"logits": float(np.abs(logits[keep] - np.array(expected["logits_sae"])[keep]).max()), "features": float(np.abs(features[keep] - np.array(expected["features"])).max()), "host": checked(host), "merged": checked(merged)}))
`;

const SEED = Number(process.env['MONOSEMANTIC_CASES_SEED'] ?? 11);

const CASES = [
  {
    name: 'the scripting exporter, and fused norms',
    modules: 'torch, onnx, onnxruntime',
    args: ['--seed', String(SEED), '--fused'],
  },
  {
    name: 'the dynamo exporter, data outside',
    modules: 'torch, onnx, onnxruntime, onnxscript',
    args: ['--seed', String(SEED + 1), '--exporter', 'dynamo'],
  },
];

for (const { name, modules, args } of CASES) {
  describe(`host: ${name}, live`, () => {
    let folder: string;
    before(function () {
      if (spawnSync(PYTHON, ['-c', `import ${modules}`]).status !== 0) {
        this.skip(); // needs Python with those modules: set MONOSEMANTIC_PYTHON
      }
      folder = mkdtempSync(join(tmpdir(), 'host-live-'));
      const { status, stderr } = spawnSync(PYTHON, [SCRIPT, folder, ...args], { encoding: 'utf8' });
      expect(status, stderr).to.equal(0);
    });
    after(() => {
      if (folder) rmSync(folder, { recursive: true });
    });

    for (const file of ['model.onnx', 'fused.onnx']) {
      it(`${file} is scored, spliced, and run in Python`, async function () {
        const host = join(folder, file);
        if (!existsSync(host)) this.skip(); // this case has no fused model
        const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { tensor: string } & Record<
          string,
          number
        >;
        const read = (array: string) => readNpy(readFileSync(join(folder, `${array}.npy`)));
        const { tensor } = expected;
        const sae = join(folder, 'sae.onnx');
        const scores = await evaluate(
          host,
          sae,
          { input_ids: read('ids') },
          { tensor, mask: read('mask'), batchSize: 9 },
        );
        for (const [key, value] of Object.entries(expected)) {
          if (typeof value === 'number') expect(scores[key as keyof Evaluation], key).to.be.closeTo(value, 1e-4);
        }
        const { without_long: without } = expected as unknown as { readonly without_long: Record<string, number> };
        const data = { tensor, mask: read('mask'), batchSize: 9, dropNormAbove: without['drop_norm_above']! };
        const short = await evaluate(host, sae, { input_ids: read('ids') }, data);
        for (const [key, value] of Object.entries(without)) {
          expect(short[key as keyof Evaluation], `${key} without long rows`).to.be.closeTo(value, 1e-4);
        }
        const merged = join(folder, `merged-${file}`);
        await (await splice(host, sae, { tensor })).write(merged);
        const script = join(folder, 'check.py');
        writeFileSync(script, CHECK);
        const { status, stdout, stderr } = spawnSync(PYTHON, [script, folder, host, merged], { encoding: 'utf8' });
        expect(status, stderr).to.equal(0);
        const found = JSON.parse(stdout) as { logits: number; features: number; host: boolean; merged: boolean };
        expect(found.logits).to.be.below(1e-4);
        expect(found.features).to.be.below(1e-4);
        // The checker takes the merged model wherever it takes the host.
        expect(found.merged).to.equal(found.host);
      });
    }
  });
}
