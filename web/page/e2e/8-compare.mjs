/** Comparing two saved runs. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { colours, phase, start, table } from './steps.mjs';

export const title = 'comparing saved runs';

export default async function ({ browser, address, shot, check }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { page, faults } = await open(context, `${address}?device=cpu&steps=12&batch=8`);
  await check('two runs are saved and compared', async () => {
    await start(page);
    await table(page);
    await page.goto(`${address}?device=cpu&method=moco-v2-plus&steps=8&batch=8`);
    await start(page);
    await table(page);
    await phase(page, 'idle');
    assert.equal(await page.locator('#runs li').count(), 2);
    assert.equal(await page.isVisible('#compare'), false);
    await page.click('#runs li:nth-child(1) .compare');
    await page.waitForSelector('#compare-names li');
    assert.equal(await page.isVisible('#compare-hint'), true);
    await page.click('#runs li:nth-child(2) .compare');
    await page.waitForFunction(() => document.querySelectorAll('#compare-names li').length === 2);
    assert.equal(await page.isVisible('#compare-hint'), false);
    const spoken = await page.getAttribute('#compare-knn-plot', 'aria-label');
    assert.match(spoken, /MoCo v2\+.* \d+\.\d % at step 8; BYOL.* \d+\.\d % at step 12/);
    assert.match(await page.getAttribute('#compare-loss-plot', 'aria-label'), /step 8; BYOL.*step 12/);
    for (const plot of ['knn', 'loss', 'spread']) {
      await page.waitForSelector(`#compare-${plot}-plot canvas`);
      assert.ok((await colours(page, `#compare-${plot}-plot canvas`)) > 2, `${plot} has lines`);
    }
    await noSideways(page);
    await accessible(page);
    await page.locator('#compare').scrollIntoViewIfNeeded();
    await shot(page, 'compare', { fullPage: true });
    await page.setViewportSize({ width: 390, height: 844 });
    await noSideways(page);
    await page.locator('#compare').scrollIntoViewIfNeeded();
    await shot(page, 'compare-phone');
  });
  await check('a run leaves the comparison by its button, and when it is deleted', async () => {
    await page.click('#runs li:nth-child(1) .compare');
    await page.waitForFunction(() => document.querySelectorAll('#compare-names li').length === 1);
    await page.click('#runs li:nth-child(2) >> text=Delete');
    await page.click('#runs li:nth-child(2) >> text=Really delete?');
    await page.waitForFunction(() => document.querySelector('#compare').hidden);
  });
  assert.deepEqual(faults, []);
  await context.close();
}
