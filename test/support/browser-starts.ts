/** Ends with status 0 where the bundled Chromium starts and draws a page: what .ci/run asks before the tests. */
import { launchBrowser } from './browser.ts';

const browser = await launchBrowser();
const page = await browser.newPage();
await page.setContent('<p>ready</p>');
const text = await page.textContent('p');
await browser.close();
if (text !== 'ready') throw new Error(`the page says ${text}, expected "ready"`);
