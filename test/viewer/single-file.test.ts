/** The single file from file:// with the network off: it shows, probes, and asks nobody for anything. */
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { browserLacks, isIdle, openView, probeOf, SINGLE_FILE, startViewer, type Viewer } from './built-viewer.ts';

describe('the viewer as a single file', function () {
  this.timeout(120_000);
  let viewer: Viewer;

  before(async function () {
    const lack = browserLacks();
    if (lack) {
      console.log(`      skipped: ${lack}`);
      this.skip();
    }
    viewer = await startViewer();
  });
  after(() => viewer?.close());

  it('works without a network, and no request leaves it', async () => {
    const context = await viewer.browser.newContext({ offline: true, acceptDownloads: true });
    const requests: string[] = [];
    context.on('request', request => requests.push(request.url()));
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', error => problems.push(error.message));
    page.on('console', message => {
      if (message.type() === 'error') problems.push(message.text());
    });
    const address = pathToFileURL(SINGLE_FILE).href;
    await page.goto(address);
    await isIdle(page);
    await page.getByText('5 of 5', { exact: false }).first().waitFor();

    await openView(page, 'Probe');
    await page.getByRole('slider', { name: 'Feature 2', exact: true }).fill('0.8');
    await page.waitForTimeout(300);
    const probe = await probeOf(page);
    expect(probe.input.features![2]).to.be.closeTo(0.8, 1e-6);
    expect(Math.max(...probe.features!)).to.be.greaterThan(0.5);

    // The training worker is inside as well.
    await openView(page, 'Train');
    const form = page.getByRole('form', { name: 'Settings of the training' });
    await form.getByLabel('Restarts').fill('2');
    await form.getByLabel('Steps').fill('50');
    await form.getByLabel('Steps').blur();
    await form.getByRole('button', { name: 'Train' }).click();
    await page.getByText('Done 50').waitFor({ timeout: 60_000 });

    const elsewhere = requests.filter(url => url !== address && !/^(blob|data):/.test(url));
    expect(elsewhere).to.deep.equal([]);
    expect(problems).to.deep.equal([]);
    await context.close();
  });

  it('says that it connects to nothing when a link asks it to', async () => {
    const context = await viewer.browser.newContext();
    const page = await context.newPage();
    await page.goto(`${pathToFileURL(SINGLE_FILE).href}?model=https://models.invalid/sae.onnx`);
    await page.getByText('this single file connects to nothing').waitFor();
    await context.close();
  });
});
