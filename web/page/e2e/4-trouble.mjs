/** Without WebGPU, after a crash, without the module: always a message, never a dead page. */
import assert from 'node:assert/strict';
import { launch, open, workerOf } from './browser.mjs';
import { accessible } from './looks.mjs';
import { download, LONG, phase, reachStep, start, stepNow, table, text, untar } from './steps.mjs';

export const title = 'no WebGPU, a crash, a missing file, two tabs';
export const small = true;

export default async function ({ browser, address, shot, check }) {
  await check('without WebGPU it trains on the CPU and says so, with advice', async () => {
    const bare = await launch({ gpu: false });
    const { page, faults } = await open(await bare.newContext(), `${address}?steps=500&batch=8`);
    await phase(page, 'idle');
    assert.match(await text(page, '#device-hint'), /no WebGPU here\. \S+/);
    assert.equal(await page.isDisabled('option[value=webgpu]'), true);
    await start(page);
    assert.match(await text(page, '#reason'), /No WebGPU here, so training runs on the CPU \(WebAssembly SIMD\)\. \S+/);
    await reachStep(page, 2);
    await shot(page, 'no-webgpu');
    assert.deepEqual(faults, []);
    await bare.close();
  });
  await check('a crash of the module is a message, and the run continues', async () => {
    const { page } = await open(await browser.newContext(), `${address}?device=cpu&steps=2000&batch=8`);
    await start(page);
    await reachStep(page, 3);
    await page.waitForSelector('#runs .badge', { timeout: LONG });
    const crash = () => void setTimeout(() => { throw new WebAssembly.RuntimeError('unreachable'); });
    await workerOf(page).evaluate(crash);
    await page.waitForSelector('.notice.error >> text=The run has stopped', { timeout: LONG });
    await shot(page, 'crash');
    await accessible(page);
    await page.click('.notice.error button >> text=/Continue again from step/');
    await phase(page, 'running');
    const step = await stepNow(page);
    assert.ok(step >= 1);
    await reachStep(page, step + 1);
    await page.context().close();
  });
  await check('a program that cannot be loaded is a message with another try', async () => {
    const context = await browser.newContext();
    let broken = true;
    await context.route('**/*.wasm', (route) => (broken ? route.fulfill({ status: 503 }) : route.continue()));
    const { page } = await open(context, address, { expected: [/503/] });
    await page.waitForSelector('.notice.error >> text=The program could not be started', { timeout: LONG });
    await shot(page, 'no-program');
    await accessible(page);
    broken = false;
    await page.click('.notice.error button >> text=Try again');
    await phase(page, 'idle');
    await context.close();
  });
  await check('a hidden tab says that the browser slows it, and has saved the run', async () => {
    const { page, faults } = await open(await browser.newContext(), `${address}?device=cpu&steps=5000&batch=8`);
    await start(page);
    await reachStep(page, 5);
    const hide = (hidden) =>
      page.evaluate((is) => {
        Object.defineProperty(document, 'hidden', { value: is, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await page.waitForSelector('#runs .badge', { timeout: LONG });
    const saved = async () => Number(/(\d+) of/.exec(await text(page, '#runs'))[1]);
    const before = await saved();
    await hide(true);
    assert.equal(await page.isVisible('#hidden-hint'), true);
    await page.waitForFunction((old) => Number(/(\d+) of/.exec(document.querySelector('#runs').textContent)[1]) > old, before, { timeout: LONG });
    const step = await stepNow(page);
    await reachStep(page, step + 1);
    await hide(false);
    assert.match(await text(page, '#hidden-hint'), /Browsers slow hidden tabs\. The run goes on, and was saved\./);
    assert.deepEqual(faults, []);
    await page.context().close();
  });
  await check('a run cannot be continued in two tabs at once', async () => {
    const context = await browser.newContext();
    const one = await open(context, `${address}?device=cpu&steps=5000&batch=8`);
    await start(one.page);
    await one.page.waitForSelector('#runs .badge', { timeout: LONG });
    await reachStep(one.page, 2);
    await one.page.click('#pause');
    await phase(one.page, 'paused');
    const two = await open(context, address);
    await phase(two.page, 'idle');
    await two.page.click('#runs >> text=Continue');
    await two.page.waitForSelector('.notice.error >> text=open in another tab', { timeout: LONG });
    await context.close();
  });
  await check('starting can be cancelled, and stopping twice ends at once', async () => {
    const { page } = await open(await browser.newContext(), `${address}?device=cpu&steps=5000&batch=8`);
    await phase(page, 'idle');
    await page.evaluate(() => {
      document.querySelector('#start').click();
      document.querySelector('#stop').click();
    });
    assert.equal(await text(page, '#state'), 'Cancelled');
    // The module is loaded again in the background.
    await phase(page, 'idle');
    assert.equal(await text(page, '#state'), 'Cancelled');
    await start(page);
    await reachStep(page, 1);
    await page.evaluate(() => {
      document.querySelector('#stop').click();
      // A double click is one stop; a second press a second later is another.
      document.querySelector('#stop').click();
      window.wasStopping = document.body.dataset.phase;
    });
    assert.equal(await page.evaluate(() => window.wasStopping), 'stopping');
    await page.context().close();
  });
  for (const [name, code, says] of [
    ['without private storage', "StorageManager.prototype.getDirectory = undefined;", '#saved-hint >> text=runs cannot be saved'],
    [
      'with full storage',
      "if (self.FileSystemSyncAccessHandle) FileSystemSyncAccessHandle.prototype.write = () => { throw new DOMException('full', 'QuotaExceededError'); };",
      '.notice.warning >> text=could not be saved',
    ],
  ]) {
    await check(`${name} it says so, trains, and the checkpoint can be downloaded`, async () => {
      const context = await browser.newContext();
      await context.addInitScript(code);
      await context.route('**/worker-*.js', async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, body: `${code}\n${await answer.text()}` });
      });
      const { page, faults } = await open(context, `${address}?device=cpu&steps=4&batch=8`);
      await start(page);
      await table(page);
      await page.waitForSelector(says);
      const { bytes } = await download(page, () => page.click('#result >> text=Download .tar'));
      assert.equal(untar(bytes).size, 7);
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
}
