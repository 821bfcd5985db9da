/**
 * One HTML file that is the viewer with models inside: the viewer's single file, in which an inert script holds the files as
 * gzipped base64. Its content security policy stays: nothing in it can reach a network. Runs in browsers too.
 */
import { FileFormatError } from '../errors.ts';

/** One file to be put into the page. */
export interface PageFile {
  readonly name: string;
  /** The content, gzipped, in base64. */
  readonly content: string;
}

const MARK = '<script type="text/plain" id="page-content">';
const END = '</script>';
/** The inert script of the models that ship with the page, which stands behind its program. */
const SHIPPED = 'id="inlined-models"';

/**
 * The page with `files` inside, which it opens when it starts.
 * @param page the viewer's single file (`monosemantic-viewer.html`), with or without files inside
 * @param files the files to open; those that were inside before are removed
 * @param query the state to open with, as in the viewer's address: `view=overview&latent=3`. Default: none
 * @throws FileFormatError where `page` is not the viewer's single file
 */
export function viewerPage(page: string, files: readonly PageFile[], query = ''): string {
  const bare = withoutContent(page);
  const at = bare.lastIndexOf('</body>');
  if (at < 0 || !bare.includes(SHIPPED)) {
    throw new FileFormatError('not the single file of the viewer: npm run build:viewer makes it');
  }
  // In base64 and JSON, "<" can only occur in names.
  const content = JSON.stringify({ files, query }).replaceAll('<', '\\u003c');
  return `${bare.slice(0, at)}${MARK}${content}${END}${bare.slice(at)}`;
}

/** The page's own program holds these words as well, so they count only behind the models that it ships with. */
function withoutContent(page: string): string {
  const from = page.indexOf(MARK, Math.max(0, page.lastIndexOf(SHIPPED)));
  if (from < 0) return page;
  const to = page.indexOf(END, from) + END.length;
  return page.slice(0, from) + page.slice(to);
}
