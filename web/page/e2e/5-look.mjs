/** Keyboard, phone, dark mode, screen readers: screenshots and axe's rules. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { accessible, DEVICES, lookAs, LOOKS, noSideways } from './looks.mjs';
import { phase, reachStep, start, table } from './steps.mjs';

export const title = 'keyboard, phone, dark, accessibility';
export const small = true;

export default async function ({ browser, address, shot, check }) {
  // One run on each kind of device is checked in all its viewports and colour schemes.
  for (const names of DEVICES) {
    await check(`${names.join(', ')}: no sideways scrolling, no axe violation`, async () => {
      const { page, faults } = await open(await browser.newContext(LOOKS[names[0]]), `${address}?steps=30&batch=16&device=cpu`);
      const inEach = async (state, look) => {
        for (const name of names) {
          await lookAs(page, name);
          await look();
          await shot(page, `${name}-${state}`, { fullPage: state !== 'running' });
        }
      };
      const holds = async () => {
        // Colours and curves may still be changing.
        await page.waitForTimeout(400);
        await noSideways(page);
        await accessible(page);
      };
      await phase(page, 'idle');
      await inEach('before', holds);
      await start(page);
      await reachStep(page, 12);
      await inEach('running', async () => {
        await noSideways(page);
        await accessible(page);
      });
      await table(page);
      await inEach('done', holds);
      assert.deepEqual(faults, []);
      await page.context().close();
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
