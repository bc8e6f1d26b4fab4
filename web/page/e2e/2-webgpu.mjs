/** On WebGPU: it trains, goes on after a lost device, and says so where an adapter or a shader will not do. */
import assert from 'node:assert/strict';
import { open, workerOf } from './browser.mjs';
import { loseDevices, patched, reachDevices } from './devices.mjs';
import { accessible } from './looks.mjs';
import { curveMoves, LONG, phase, reachStep, start, stepNow, table, text } from './steps.mjs';

export const title = 'a run on WebGPU, a lost device, adapters and shaders that will not do';
export const small = true;

/** What the module writes to the console when its device is broken on purpose. */
const expected = [/lost|shader|wgsl|validation|panicked|unreachable/i];

/** An adapter with other features and limits than the browser's. */
const ADAPTERS = [
  ['without timestamp-query', "Object.defineProperty(GPUAdapter.prototype, 'features', { get: () => new Set() });", /lacks timestamp-query/],
  [
    'with small buffers',
    "Object.defineProperty(GPUSupportedLimits.prototype, 'maxStorageBufferBindingSize', { get: () => 2 ** 26 });",
    /has maxStorageBufferBindingSize 67,108,864 where 134,217,728 is usual/,
  ],
];

async function continuesOnCpu(page) {
  const go = page.locator('.notice.error button', { hasText: /on the CPU/ });
  await go.click();
  await phase(page, 'running');
  assert.match(await text(page, '#adapter'), /^CPU · /);
  await reachStep(page, (await stepNow(page)) + 1);
}

export default async function ({ browser, address, shot, check, say }) {
  await check('trains, goes on by itself after a lost device, and ends with the table', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await reachDevices(context);
    const { page, faults } = await open(context, `${address}?device=webgpu&steps=4&batch=4`, { expected });
    await start(page);
    assert.match(await text(page, '#adapter'), /^WebGPU · ./);
    assert.match(await text(page, '#reason'), /You chose WebGPU/);
    const first = await curveMoves(page, 'loss', 'Loss curve, empty');
    await shot(page, 'webgpu-running');
    await page.waitForSelector('#runs .badge', { timeout: LONG });
    const seen = page.locator('.notice.info', { hasText: 'The graphics device was lost' });
    const began = Date.now();
    await loseDevices(page);
    await seen.waitFor({ timeout: LONG });
    // In the same worker, which has lost nothing but the device.
    assert.equal(await workerOf(page).evaluate(() => self.devices.length), 2);
    const from = Number(/from step (\d+)/.exec(await seen.textContent())[1]);
    await phase(page, 'running');
    say(`goes on from step ${from} after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    assert.match(await text(page, '#adapter'), /^WebGPU · /);
    assert.ok((await stepNow(page)) >= from);
    await shot(page, 'webgpu-lost');
    await curveMoves(page, 'loss', first);
    await curveMoves(page, 'knn', 'kNN accuracy curve, empty');
    assert.equal((await table(page)).length, 3);
    await shot(page, 'webgpu-done');
    assert.deepEqual(faults, []);
    await context.close();
  });
  for (const [name, code, says] of ADAPTERS) {
    await check(`an adapter ${name} is named, and the run trains on the CPU`, async () => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
      await patched(context, code);
      const { page, faults } = await open(context, `${address}?steps=500&batch=4`);
      await phase(page, 'idle');
      assert.match(await text(page, '#device-hint'), says);
      await start(page);
      assert.match(await text(page, '#adapter'), /^CPU · /);
      assert.match(await text(page, '#reason'), says);
      await reachStep(page, 1);
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
  await check('a refused shader is a message, and the run starts on the CPU', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const { page, faults } = await open(context, `${address}?device=webgpu&steps=500&batch=4`, { expected });
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
    await accessible(page);
    await continuesOnCpu(page);
    assert.deepEqual(faults, []);
    await context.close();
  });
}
