/** Viewports, colour schemes, and the rules that every page passes. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Checks axe's rules. */
export async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(' | ')}`);
  assert.deepEqual(found, []);
}

export const noSideways = async (page) =>
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'no sideways scrolling');

/** Viewports and colour schemes. */
export const LOOKS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  dark: { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  'phone-dark': { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' },
  narrow: { viewport: { width: 320, height: 640 } },
  tablet: { viewport: { width: 820, height: 1180 } },
};

/** Looks that differ by viewport and colour scheme alone: one page can take them in turn. */
export const DEVICES = [['desktop', 'dark', 'tablet', 'narrow'], ['phone', 'phone-dark']];

/** Gives a page a look of its device, at the top; the narrow one reduces motion. */
export async function lookAs(page, name) {
  const { viewport, colorScheme = 'light' } = LOOKS[name];
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme, reducedMotion: name === 'narrow' ? 'reduce' : 'no-preference' });
  await page.evaluate(() => window.scrollTo(0, 0));
}
