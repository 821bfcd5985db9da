/** The page by keyboard alone: real presses of Tab, and what has the focus after each. */
import { expect } from 'chai';
import type { Locator, Page } from 'playwright-core';

/** More presses of Tab than any page of the tests needs. */
const MOST = 400;

/** What a person can reach, unless it is hidden or disabled. */
const REACHABLE = ':is(a[href], button, input, select, textarea, summary, [tabindex="0"]):not(:disabled)';

/** An element in words, for messages. */
const NAMED = `element => {
  const name = element.getAttribute('aria-label') ?? element.closest('label')?.textContent ?? element.textContent;
  return element.localName + ' "' + name.trim().replaceAll(/\\s+/g, ' ').slice(0, 60) + '"';
}`;

/**
 * The outline that shows the focus on an element. An input that is itself invisible, or a radio button in a row of choices, shows it on
 * its label.
 */
const RING = `element => {
  const style = getComputedStyle(element);
  const shown = style.opacity === '0' || element.matches('.segmented input') ? element.closest('label') : element;
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(shown ?? element);
  return outlineStyle === 'none' ? 'none' : [outlineStyle, outlineWidth, outlineColor].join(' ');
}`;

/** Where the focus is, and what is wrong with how it is shown there; undefined where nothing has it. */
interface Stop {
  readonly name: string;
  readonly mark: string | undefined;
  readonly faults: readonly string[];
}

const stopOf = (page: Page): Promise<Stop | undefined> =>
  page.evaluate(`(() => {
    const element = document.activeElement;
    if (!element || element === document.body || element === document.documentElement) return undefined;
    const faults = [];
    const ring = (${RING})(element);
    if (ring === 'none') faults.push('has no ring');
    else if (ring === element.dataset.ringAtRest) faults.push('looks as without the focus');
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) faults.push('is out of sight');
    return { name: (${NAMED})(element), mark: element.dataset.reachable, faults };
  })()`);

/** Presses Tab from where the focus is until `wanted` has it, and checks that one can see so. */
export async function tabTo(page: Page, wanted: Locator): Promise<void> {
  await wanted.waitFor({ state: 'attached' });
  const passed: string[] = [];
  for (let presses = 0; presses < MOST; presses++) {
    await page.keyboard.press('Tab');
    const stop = await stopOf(page);
    passed.push(stop?.name ?? 'nothing');
    if (!(await wanted.evaluate(element => element === document.activeElement))) continue;
    expect(stop?.faults, stop?.name).to.deep.equal([]);
    return;
  }
  throw new Error(`Tab does not lead to ${wanted}. It leads to ${passed.slice(0, 60).join(', ')}`);
}

/**
 * Presses Tab from the beginning of the page to its end. Says what is in the main part but was not reached, and what does not show that it
 * has the focus.
 */
export async function walk(page: Page): Promise<string[]> {
  await page.evaluate(`(() => {
    document.activeElement?.blur();
    // Where Tab goes on from is the start of the page again.
    const first = document.querySelector('.skip');
    first.focus();
    for (const [i, element] of [...document.querySelectorAll('main ${REACHABLE}')].entries()) {
      element.dataset.ringAtRest = (${RING})(element);
      if (!element.checkVisibility({ visibilityProperty: true })) continue;
      const group = element.type === 'radio' && document.getElementsByName(element.name);
      // Tab leads to the chosen one of a group of radio buttons, and the arrow keys to the others.
      if (group && !element.checked && [...group].some(other => other.checked)) continue;
      element.dataset.reachable = i;
    }
  })()`);
  const told: string[] = [];
  const reached = new Set<string>();
  for (let presses = 0; presses < MOST; presses++) {
    await page.keyboard.press('Tab');
    const stop = await stopOf(page);
    if (!stop || (await page.evaluate(`document.activeElement === document.querySelector('.skip')`))) break;
    if (presses === MOST - 1) told.push('Tab does not come to an end');
    told.push(...stop.faults.map(fault => `${stop.name} ${fault}`));
    if (stop.mark !== undefined) reached.add(stop.mark);
  }
  const all = (await page.evaluate(`[...document.querySelectorAll('[data-reachable]')].map(element =>
    [element.dataset.reachable, (${NAMED})(element)])`)) as [string, string][];
  told.push(...all.filter(([mark]) => !reached.has(mark)).map(([, name]) => `${name} is not reached`));
  await page.evaluate(`for (const element of document.querySelectorAll('[data-reachable], [data-ring-at-rest]')) {
    delete element.dataset.reachable;
    delete element.dataset.ringAtRest;
  }`);
  return told;
}
