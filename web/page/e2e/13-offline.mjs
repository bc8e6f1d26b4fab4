/** Without a network: nothing is fetched after the start, the page works offline, an update waits, and a stuck start says so. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { open } from './browser.mjs';
import { accessible } from './looks.mjs';
import { fifth } from './sample.mjs';
import { serve } from './serve.mjs';
import { LONG, phase, start, table } from './steps.mjs';

export const title = 'offline, updates, and a start that is stuck';
export const small = true;

const dist = fileURLToPath(new URL('../dist', import.meta.url));

export default async function ({ browser, address, shot, check, say }) {
  await check('after the start nothing is fetched: a run, its evaluation, and the next run', async () => {
    const context = await browser.newContext();
    const { page, faults } = await open(context, `${address}?device=cpu&steps=4&batch=8`);
    await phase(page, 'idle');
    const asked = [];
    await context.route('**', (route) => {
      if (/^(blob|data):/.test(route.request().url())) return route.continue();
      asked.push(route.request().url());
      return route.abort();
    });
    await start(page);
    await table(page);
    await page.click('#evaluate');
    await page.waitForFunction(() => document.querySelectorAll('#confusion tbody tr').length === 10, null, { timeout: LONG });
    await start(page);
    await phase(page, 'idle');
    assert.deepEqual(asked, []);
    assert.deepEqual(faults, []);
    await context.close();
  });
  const instead = await fifth(dist, browser);
  const server = await serve(dist, instead);
  await check('works offline after the first visit, on every page', async () => {
    const context = await browser.newContext({ serviceWorkers: 'allow' });
    const { page } = await open(context, `${server.address}?device=cpu&steps=3&batch=8`, { expected: [/ERR_INTERNET_DISCONNECTED/] });
    await phase(page, 'idle');
    const began = Date.now();
    await page.evaluate(() => navigator.serviceWorker.ready);
    say(`${((Date.now() - began) / 1000).toFixed(1)} s until everything was kept`);
    await context.setOffline(true);
    await page.reload();
    await start(page);
    await table(page);
    await page.goto(`${server.address}augment.html`);
    await page.waitForSelector('canvas');
    await page.goto(`${server.address}index.html`);
    await phase(page, 'idle');
    await context.setOffline(false);

    // An update is shown, and does not end the run.
    instead.set('sw.js', (await readFile(`${dist}/sw.js`, 'utf8')).replace(/parallax-\$\{"\w+"\}/, 'parallax-next'));
    await page.goto(`${server.address}?device=cpu&steps=4000&batch=8`);
    await start(page);
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).update());
    const notice = page.locator('.notice', { hasText: 'A new version of this page is ready' });
    await notice.waitFor({ timeout: LONG });
    assert.equal(await page.evaluate(() => document.body.dataset.phase), 'running');
    await shot(page, 'update');
    await Promise.all([page.waitForEvent('load', { timeout: LONG }), notice.locator('button', { hasText: 'Reload' }).click()]);
    await phase(page, 'idle');
    assert.deepEqual(await page.evaluate(() => caches.keys()), ['parallax-next']);
    await context.close();
    server.close();
  });
  await check('a start without progress for 20 seconds says so, and can be tried again', async () => {
    const context = await browser.newContext();
    await context.clock.install();
    let stuck = true;
    await context.route('**/*.wasm', (route) => (stuck ? undefined : route.continue()));
    const { page } = await open(context, address);
    await page.waitForFunction(() => document.body.dataset.phase === 'loading');
    await page.clock.fastForward(20_500);
    await page.waitForSelector('.notice.warning >> text=The program makes no progress');
    await accessible(page);
    stuck = false;
    await page.click('.notice >> text=Try again');
    await phase(page, 'idle');
    await context.close();
  });
  await check('on a phone every control is at least 44 pixels high, and none is covered', async () => {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    const { page, faults } = await open(context, `${address}?device=cpu&steps=4&batch=8&lr=0.1`);
    await start(page);
    await table(page);
    await phase(page, 'idle');
    const small = await page.evaluate(() => {
      const all = [...document.querySelectorAll('button, select, input, summary, a')].filter((one) => one.checkVisibility() && !one.closest('p, .hidden, .skip') && !one.matches('.hidden, .skip'));
      // The label of a choice is what a finger presses.
      const area = (one) => (one.matches('input[type=radio], input[type=checkbox]') ? one.closest('label') : one).getBoundingClientRect();
      return all.filter((one) => area(one).height < 43.5).map((one) => `${one.id || one.className || one.name || one.textContent.trim().slice(0, 30)}: ${area(one).height.toFixed(0)}`);
    });
    assert.deepEqual(small, []);
    // At the end of the page the buttons at the bottom cover nothing.
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    const [bar, last] = await page.evaluate(() => [document.querySelector('#actions').getBoundingClientRect().top, document.querySelector('.foot').getBoundingClientRect().bottom]);
    assert.ok(last <= bar, `the end of the page, at ${last}, lies under the buttons, at ${bar}`);
    assert.deepEqual(faults, []);
    await context.close();
  });
}
