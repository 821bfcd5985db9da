import { readFileSync } from 'node:fs';
import { expect } from 'chai';

/** Every package that `entry` reaches, and the files between; imports of types are gone at run time and do not count. */
function reached(entry: URL): { readonly packages: Set<string>; readonly files: Set<string> } {
  const packages = new Set<string>();
  const files = new Set<string>();
  const visit = (file: URL): void => {
    if (files.has(file.href)) return;
    files.add(file.href);
    const source = readFileSync(file, 'utf8').replaceAll(/\b(import|export) type [^;]*;/g, '');
    for (const [, specifier = ''] of source.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)'([^']+)'/g)) {
      if (specifier.startsWith('.')) visit(new URL(specifier, file));
      else packages.add(specifier);
    }
  };
  visit(entry);
  return { packages, files };
}

describe('inference: what it needs', () => {
  const cases = [
    { entry: 'node.ts', runtime: 'onnxruntime-node', builtin: /^(node:|tsx\/)/ },
    { entry: 'node-worker.ts', runtime: 'onnxruntime-node', builtin: /^node:/ },
    { entry: 'browser.ts', runtime: 'onnxruntime-web/webgpu', builtin: /^$/ },
    { entry: 'browser-worker.ts', runtime: 'onnxruntime-web/webgpu', builtin: /^$/ },
  ];
  for (const { entry, runtime, builtin } of cases) {
    it(`${entry}: one ONNX Runtime and small packages, nothing of TensorFlow.js`, () => {
      const { packages, files } = reached(new URL(`../../src/inference/${entry}`, import.meta.url));
      const needed = [...packages].filter(name => !builtin.test(name));
      expect(needed).to.have.members([runtime, 'onnx-proto', '@petamoriken/float16']);
      const rooms = new Set([...files].map(file => /src\/([a-z]+)[/.]/.exec(file)?.[1]));
      expect([...rooms]).to.have.members([
        'inference',
        'onnx',
        'sessions',
        'workers',
        'errors',
        'wording',
        'tensor',
        'files',
      ]);
    });
  }
});
