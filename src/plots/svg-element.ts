/** SVG elements made through a given document, so that the same code draws in Node and in a browser. */

const svgNamespace = 'http://www.w3.org/2000/svg';

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An SVG element with attributes (undefined ones left out) and children. */
export function svgElement(
  document: Document,
  name: string,
  attributes: Attributes = {},
  children: readonly (Node | string)[] = [],
): SVGElement {
  const element = document.createElementNS(svgNamespace, name) as SVGElement;
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(attribute, String(value));
  }
  element.append(...children);
  return element;
}

/** Width in pixels of `text` in Inter at `size`, good to a few percent: for placing things beside words unmeasured. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const character of text) {
    if (/[iljtfrI.,:;'|!()[\] ]/.test(character)) ems += 0.32;
    else if (/[mwMW@%→]/.test(character)) ems += 0.88;
    else if (/[A-Z0-9_=+<>]/.test(character)) ems += 0.66;
    else ems += 0.585;
  }
  return ems * size;
}

const geometry = ['d', 'x', 'y', 'x1', 'x2', 'y1', 'y2', 'cx', 'cy', 'r', 'width', 'height', 'transform', 'points'];

/** Rounds all coordinates under `root` to hundredths of a pixel: a file does not depend on the last bits of a sine. */
export function roundCoordinates(root: Element): void {
  for (const element of [root, ...root.querySelectorAll('*')]) {
    for (const attribute of geometry) {
      const value = element.getAttribute(attribute);
      // A scale multiplies what is inside, so its last digits can be seen.
      if (value?.includes('.') && !value.includes('scale(')) {
        element.setAttribute(attribute, value.replace(/-?\d+\.\d+(?:e-?\d+)?/g, rounded));
      }
    }
  }
}

function rounded(digits: string): string {
  return String(Math.round(Number(digits) * 100) / 100 || 0);
}
