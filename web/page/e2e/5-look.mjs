/** By keyboard, on a phone, in the dark, for those who hear it: screenshots, and axe's rules. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { accessible, LOOKS, noSideways } from './looks.mjs';
import { phase, reachStep, start, table } from './steps.mjs';

export const title = 'keyboard, phone, dark, accessibility';

export default async function ({ browser, address, shot, check }) {
  for (const [name, options] of Object.entries(LOOKS)) {
    await check(`${name}: no sideways scrolling, no axe violation`, async () => {
      const context = await browser.newContext({ ...options, reducedMotion: name === 'narrow' ? 'reduce' : 'no-preference' });
      const { page, faults } = await open(context, `${address}?steps=30&batch=16&device=cpu`);
      await phase(page, 'idle');
      await noSideways(page);
      await accessible(page);
      await shot(page, `${name}-before`, { fullPage: true });
      await start(page);
      await reachStep(page, 12);
      await shot(page, `${name}-running`);
      await table(page);
      await page.waitForTimeout(800);
      await noSideways(page);
      await accessible(page);
      await page.evaluate(() => window.scrollTo(0, 0));
      await shot(page, `${name}-done`, { fullPage: true });
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
  await check('the choices stand in the address, and come from it', async () => {
    const { page } = await open(await browser.newContext(), `${address}?size=small&seed=5`);
    await phase(page, 'idle');
    assert.equal(await page.isChecked('input[value=small]'), true);
    await page.check('input[value=moco-v2-plus]');
    await page.selectOption('#device', 'cpu');
    assert.match(page.url(), /\?method=moco-v2-plus&size=small&device=cpu&seed=5$/);
    await page.goto(`${address}?method=nonsense&size=7&seed=-1&steps=x&batch=1`);
    await phase(page, 'idle');
    assert.equal(await page.inputValue('input[name=seed]'), '0');
    assert.equal(await page.isChecked('input[value=byol]'), true);
    await page.context().close();
  });
  await check('everything can be done by keyboard', async () => {
    const { page } = await open(await browser.newContext(), `${address}?steps=1000&batch=8`);
    await phase(page, 'idle');
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.textContent);
    const seen = [];
    for (let press = 0; press < 25 && seen.at(-1) !== 'start'; press++) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
    }
    for (const stop of ['method', 'size', 'device', 'pictures', 'seed', 'steps', 'start']) assert.ok(seen.includes(stop), `${stop} among ${seen}`);
    await page.keyboard.press('Enter');
    await phase(page, 'running');
    assert.equal(await focused(), 'pause');
    await page.keyboard.press('Space');
    await phase(page, 'paused');
    assert.equal(await focused(), 'pause');
    await page.keyboard.press('Enter');
    await phase(page, 'running');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'stop');
    await page.keyboard.press('Enter');
    await table(page);
    await page.context().close();
  });
}
