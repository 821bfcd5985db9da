/** The viewer as `monosemantic view` serves it: under its content security policy, with a file of an awkward name. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { MODELS, skipWithoutBrowser, startViewer, type Viewer } from './built-viewer.ts';

const NAME = '100% of #1, a&b?.onnx';

describe('the viewer as it is served', () => {
  let viewer: Viewer;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer({ [NAME]: new Uint8Array(await readFile(join(MODELS, 'sae-found.onnx'))) });
  });
  after(() => viewer?.close());

  it('opens a file of any name, and no rule of the policy is broken', async () => {
    const address = encodeURIComponent(`/open/0/${encodeURIComponent(NAME)}`);
    const page = await viewer.page(`?model=star&model=${address}&view=plane`);
    await page.getByRole('option', { name: NAME }).first().waitFor({ state: 'attached' });
    expect(viewer.problems).to.deep.equal([]);
    expect(await page.evaluate('crossOriginIsolated')).to.equal(true);
    // A script that a file smuggled in would not run.
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'globalThis.smuggled = true';
      document.head.append(script);
      return 'smuggled' in globalThis;
    });
    expect(ran).to.equal(false);
    await page.context().close();
  });
});
