/** The page's main states, one after the other: `reach` brings the page from the state before to this one. */
import { LONG, phase, reachStep, start, table } from './steps.mjs';

const pick = (page, row) => page.click(`#runs tr:nth-child(${row}) .compare`);

/** Opens another page of the site. */
async function visit(page, address, ready) {
  await page.goto(address);
  await page.waitForFunction(ready, null, { timeout: LONG });
}

/** `part` is what a picture of the state shows; the whole page without. `address` ends with `/`. */
export const states = (address, steps) => [
  { name: 'before', reach: (page) => phase(page, 'idle') },
  {
    name: 'running',
    reach: async (page) => {
      await start(page);
      await reachStep(page, Math.min(60, steps / 2));
    },
  },
  { name: 'done', reach: (page) => table(page) },
  {
    name: 'representation',
    part: '#evaluation',
    reach: async (page) => {
      await phase(page, 'idle');
      await page.click('#evaluate');
      await page.waitForSelector('#confusion tbody tr', { timeout: LONG });
      await page.focus('#encoder-label ~ .segments input:checked');
      for (const key of ['Tab', 'ArrowLeft', 'ArrowUp', 'Enter']) await page.keyboard.press(key);
      await page.waitForSelector('#near-body:not([hidden])', { timeout: LONG });
      const picture = (await page.textContent('#near-title')).replace(/.*picture /, '');
      await page.waitForFunction((want) => document.querySelector('#seen-title-note').textContent.endsWith(`picture ${want}`), picture, { timeout: LONG });
    },
  },
  {
    name: 'runs',
    part: '#saved',
    reach: async (page) => {
      await page.goto(`${address}?method=byol&device=cpu&seed=0&steps=${steps}`);
      await start(page);
      await table(page);
      await phase(page, 'idle');
      await page.waitForFunction(() => document.querySelectorAll('#runs tr').length === 2, null, { timeout: LONG });
      await pick(page, 1);
      await pick(page, 2);
      await page.waitForFunction(() => document.querySelectorAll('#compare-names li').length === 2);
    },
  },
  {
    name: 'detection',
    part: '#detection',
    reach: async (page) => {
      await page.click('#detect-open');
      await page.waitForFunction(() => document.querySelector('#detection').dataset.detected === 'yes', null, { timeout: LONG });
      await page.focus('#detect-picture');
      await page.keyboard.press('ArrowRight');
      await page.waitForSelector('#region-body:not([hidden])', { timeout: LONG });
    },
  },
  { name: 'augmentations', reach: (page) => visit(page, `${address}augment.html`, () => document.body.dataset.drawn === 'yes') },
  { name: 'benchmarks', reach: (page) => visit(page, `${address}bench.html`, () => document.readyState === 'complete') },
];
