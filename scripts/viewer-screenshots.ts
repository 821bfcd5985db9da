/** Takes the pictures of the viewer that the README shows (viewer/docs), from the built viewer in the bundled Chromium. */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { startViewer } from '../test/viewer/built-viewer.ts';

const FOLDER = fileURLToPath(new URL('../viewer/docs/', import.meta.url));
const PAIR = '?model=star&model=sae-found';
const WIDE = '?model=toy-20-6&model=sae-20-6';

interface Shot {
  readonly name: string;
  readonly query: string;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

const SHOTS: readonly Shot[] = [
  { name: 'story', query: '', height: 900 },
  { name: 'story-dark', query: '', theme: 'dark', height: 900 },
  { name: 'story-phone', query: '', width: 390, height: 1140 },
  { name: 'plane', query: '?model=star&model=sae-collapsed&view=plane&activations=-0.35,-0.75', height: 900 },
  { name: 'plane-projection', query: `${WIDE}&view=plane`, height: 1120 },
  { name: 'probe', query: `${PAIR}&view=probe&features=0.9,0,0.4,0,0&feature=0`, height: 620 },
  { name: 'matches', query: `${WIDE}&view=matches&latent=3`, height: 1130 },
  { name: 'training', query: `${PAIR}&view=training&position=0.55`, height: 920 },
  { name: 'toy-model', query: `${PAIR}&view=toy`, height: 940 },
  { name: 'seeds', query: `${PAIR}&view=seeds`, height: 880 },
];

await mkdir(FOLDER, { recursive: true });
const viewer = await startViewer();
try {
  for (const { name, query, theme = 'light', width = 1280, height = 900 } of SHOTS) {
    const page = await viewer.page(query, { colorScheme: theme, viewport: { width, height } });
    await page.waitForTimeout(1800);
    await page.screenshot({ path: `${FOLDER}${name}.png` });
    await page.context().close();
    console.log(`viewer/docs/${name}.png`);
  }
  const page = await viewer.page(`${PAIR}&view=train`, { viewport: { width: 1280, height: 900 } });
  await page.getByRole('button', { name: 'Train', exact: true }).last().click();
  await page.getByRole('button', { name: 'Download .onnx' }).waitFor({ timeout: 180_000 });
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${FOLDER}train.png` });
  console.log('viewer/docs/train.png');
} finally {
  await viewer.close();
}
