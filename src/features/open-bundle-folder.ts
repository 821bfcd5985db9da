/** `openFeatureBundle` in Node, which also takes the path of a folder. */
import { fileURLToPath } from 'node:url';
import type { BundleLocation } from './bundle-source.ts';
import { folderSource } from './node-bundle-source.ts';
import { type FeatureBundle, openFeatureBundle as openAnywhere } from './open-bundle.ts';

/**
 * Opens a feature bundle; `close` closes its files.
 * @param location the path of the folder, its address (file:, http: or https:), bytes or Blobs by name, or a source of
 *   one's own
 * @throws FileFormatError where `bundle.json` is missing, damaged, of another format or version
 */
export function openFeatureBundle(location: BundleLocation): Promise<FeatureBundle> {
  const text = typeof location === 'string' || location instanceof URL ? String(location) : undefined;
  // A single letter before the colon is a Windows drive.
  if (text === undefined || /^https?:/i.test(text)) return openAnywhere(location);
  const path = /^file:/i.test(text) ? fileURLToPath(text) : text;
  return openAnywhere(folderSource(path.replace(/[\\/]bundle\.json$/, '')));
}
