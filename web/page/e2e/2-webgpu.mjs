/** On WebGPU: it trains; a lost device and a refused shader are reported, and the CPU continues from the checkpoint. */
import assert from 'node:assert/strict';
import { open, workerOf } from './browser.mjs';
import { curveMoves, LONG, phase, reachStep, start, stepNow, table, text } from './steps.mjs';

export const title = 'a run on WebGPU, a lost device, a refused shader';

/** Gives the test access to the devices that workers open, from their first line on. */
const REACH = `{
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...wanted) {
    const device = await request.apply(this, wanted);
    (self.devices ??= []).push(device);
    return device;
  };
}`;

async function reach(context) {
  await context.route('**/worker-*.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: `${REACH}\n${await answer.text()}` });
  });
}

async function continuesOnCpu(page) {
  const go = page.locator('.notice.error button', { hasText: /on the CPU/ });
  await go.click();
  await phase(page, 'running');
  assert.match(await text(page, '#adapter'), /^CPU · /);
  await reachStep(page, (await stepNow(page)) + 1);
}

export default async function ({ browser, address, shot, check, say }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await check('trains on WebGPU, loss and kNN move, to the table', async () => {
    const { page, faults } = await open(context, `${address}?device=webgpu&steps=3&batch=4`);
    await start(page);
    assert.match(await text(page, '#adapter'), /^WebGPU · ./);
    assert.match(await text(page, '#reason'), /You chose WebGPU/);
    const first = await curveMoves(page, 'loss', 'Loss curve, empty');
    await shot(page, 'webgpu-running');
    await curveMoves(page, 'loss', first);
    await curveMoves(page, 'knn', 'kNN accuracy curve, empty');
    assert.equal((await table(page)).length, 3);
    await shot(page, 'webgpu-done');
    assert.deepEqual(faults, []);
    await page.close();
  });
  // What the module writes to the console when its device is broken on purpose.
  const expected = [/lost|shader|wgsl|validation|panicked|unreachable/i];
  await reach(context);
  const { page, faults } = await open(context, `${address}?device=webgpu&steps=500&batch=4`, { expected });
  await check('after a lost device the run goes on by itself, on a new device, and after the third loss on the CPU', async () => {
    await start(page);
    await reachStep(page, 2);
    await page.waitForSelector('#runs .badge', { timeout: LONG });
    for (let loss = 1; loss <= 3; loss++) {
      const seen = page.locator('.notice.info', { hasText: 'The graphics device was lost' });
      await workerOf(page).evaluate(() => self.devices.forEach((device) => device.destroy()));
      await page.waitForFunction((want) => document.querySelectorAll('.notice.info').length === want, loss, { timeout: LONG });
      const from = Number(/from step (\d+)/.exec(await seen.last().textContent())[1]);
      const began = Date.now();
      await phase(page, 'running');
      const went = (Date.now() - began) / 1000;
      assert.match(await text(page, '#adapter'), loss < 3 ? /^WebGPU · / : /^CPU · /);
      assert.ok((await stepNow(page)) >= from);
      await reachStep(page, from + 1);
      say(`loss ${loss}: goes on from step ${from} after ${went.toFixed(1)} s`);
      if (loss === 1) await shot(page, 'webgpu-lost');
    }
    await page.click('#stop');
    await table(page);
  });
  await check('a refused shader is a message, and the run starts on the CPU', async () => {
    await page.goto(`${address}?device=webgpu&steps=500&batch=4`);
    await phase(page, 'idle');
    // Refused before the first step: the device is opened, then everything it is given is nonsense.
    await workerOf(page).evaluate(() => {
      const create = GPUDevice.prototype.createShaderModule;
      GPUDevice.prototype.createShaderModule = function (about) {
        return create.call(this, { ...about, code: 'this is not WGSL' });
      };
      const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...wanted) {
        const device = await request.apply(this, wanted);
        setTimeout(() => device.createShaderModule({ code: '' }), 500);
        return device;
      };
    });
    await page.click('#start');
    await page.waitForSelector('.notice.error', { timeout: LONG });
    await shot(page, 'webgpu-refused');
    await continuesOnCpu(page);
  });
  assert.deepEqual(faults, []);
  await context.close();
}
