/** Every system of the paper trains in the tab, is saved, and continues where it stopped. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { phase, reachStep, start, table, text } from './steps.mjs';

const SYSTEMS = {
  byol: 'BYOL',
  'moco-v2-plus': 'MoCo v2+',
  's-moco-v2-plus': 'S-MoCo v2+',
  'moco-v2': 'MoCo v2',
  'moco-v1': 'MoCo v1',
  supervised: 'Supervised',
  'byol-lars': 'BYOL, LARS',
  'moco-v2-plus-lars': 'MoCo v2+, LARS',
};

export const title = 'every system of the paper';
export const small = true;

export default async function ({ browser, address, check, shot }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { page, faults } = await open(context, address);
  await check('the page offers all of them', async () => {
    await phase(page, 'idle');
    const offered = await page.$$eval('input[name=method]', (inputs) => inputs.map(({ value, nextElementSibling }) => [value, nextElementSibling.textContent]));
    assert.deepEqual(Object.fromEntries(offered), SYSTEMS);
  });
  for (const [at, [system, name]] of Object.entries(SYSTEMS).entries()) {
    await check(name, async () => {
      await page.goto(`${address}?device=cpu&method=${system}&steps=4&batch=8`);
      await start(page);
      await reachStep(page, 1);
      assert.equal(await page.isVisible('#queue'), system.includes('moco'));
      const rows = await table(page);
      for (const [, knn, linear] of rows) assert.match(`${knn} ${linear}`, /^\d+\.\d % \d+\.\d %$/);
      await phase(page, 'idle');
      assert.match(await page.getAttribute('#loss-plot', 'aria-label'), /step 4/);
      assert.match(await text(page, '#summary'), system === 'supervised' ? /^(?!.*without labels)/ : /^(?!.*with labels)/);
      assert.match(await text(page, '#result-labels'), system === 'supervised' ? /saw the labels/ : /never saw a label/);
      assert.equal(await page.locator('#runs tr').count(), at + 1);
      assert.ok((await text(page, '#runs tr:first-child')).includes(`${name} · Tiny`));
    });
  }
  await check('a run with a queue and LARS continues after a reload', async () => {
    await page.goto(`${address}?device=cpu&method=moco-v2-plus-lars&steps=400&batch=8`);
    await start(page);
    await reachStep(page, 3);
    await page.click('#pause');
    await phase(page, 'paused');
    await page.reload();
    await phase(page, 'idle');
    await page.click('#runs tr:first-child >> text=Continue');
    await phase(page, 'running');
    await reachStep(page, 8);
    await page.click('#stop');
    await table(page);
    await shot(page, 'methods', { fullPage: true });
  });
  assert.deepEqual(faults, []);
  await context.close();
}
