/** Starts the page. */
import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { followInAddress, restoreFromAddress } from './open/address.ts';
import { loadManifest, openBundled } from './open/open-models.ts';
import { models } from './state/models.ts';
import { fail } from './state/notices.ts';

render(<App />, document.getElementById('app')!);

async function start(): Promise<void> {
  await restoreFromAddress();
  const manifest = await loadManifest();
  // Nothing asked for: the story's models, so that every view has something to show.
  if (manifest && models.value.length === 0) {
    await openBundled(manifest.story.toy);
    await openBundled(manifest.story.found);
    await openBundled(manifest.story.collapsed, false);
  }
  followInAddress();
}

start().catch(error => fail('The viewer could not start', error));
