/** Starts the page. */
import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { followInAddress, restore } from './open/address.ts';
import { loadManifest, openBundled } from './open/bundled-models.ts';
import { warnBeforeLoss } from './open/kept-models.ts';
import { busy } from './open/opening.ts';
import { openPageContent } from './open/page-file.ts';
import { models } from './state/models.ts';
import { fail } from './state/notices.ts';
import { isTraining } from './state/training.ts';

// Before the first view is drawn, and between what it opens as well: no view may say that there is no model while the address still names one.
const started = busy('the page', start);
render(<App />, document.getElementById('app')!);
warnBeforeLoss(isTraining);
started.catch(error => fail('The viewer could not start', error));

async function start(): Promise<void> {
  const manifest = await loadManifest();
  try {
    if (!(await openPageContent())) await restore();
  } catch (error) {
    fail('The address could not be followed', error);
  }
  // Nothing asked for: the story's models, so that every view has something to show.
  if (manifest && models.value.length === 0) {
    await openBundled(manifest.story.toy);
    await openBundled(manifest.story.found);
    await openBundled(manifest.story.collapsed, false);
  }
  followInAddress();
}
