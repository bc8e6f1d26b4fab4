/** The benchmarks' page on WebGPU: views, and TensorFlow.js. */
import assert from 'node:assert/strict';
import { open } from '../browser.mjs';
import { byTensors, measure, near, pipelines, positive, sampled, SMALLEST } from '../tables.mjs';

export const title = 'benchmarks on WebGPU';

export default async function ({ browser, address, check }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, faults } = await open(context, new URL('bench.html', address).href);
  await page.selectOption('#device', 'webgpu');
  for (const [name, value] of Object.entries(SMALLEST)) await page.fill(`[name=${name}]`, String(value));
  await check('views on WebGPU: ours in three dispatches, Burn’s, TensorFlow.js’s', async () => {
    // As on the CPU: a blur against black must not be most of a view.
    await page.fill('[name=size]', '64');
    const found = await measure(page, 'views');
    const ours = pipelines(found, /^On WebGPU: views of 64 px/, -2);
    const burn = pipelines(found, /^On WebGPU: views of 64 px/, -1);
    near(ours, burn, byTensors);
    for (const [cells] of ours) {
      assert.ok(Number(cells[5]) <= 3 && Number(cells[6]) > 3, cells.join(' '));
      [cells[1], cells[2], cells[3], cells[4], ...cells.slice(7, 12)].forEach(positive);
    }
    const theirs = pipelines(await measure(page, 'tfjs-views'), /^TensorFlow\.js 4\.22\.0 on webgpu: views/, -1);
    near(burn, theirs, sampled);
    for (const [cells] of theirs) [cells[1], cells[2]].forEach(positive);
  });
  await check('TensorFlow.js on its WebGPU backend', async () => {
    await page.fill('[name=size]', String(SMALLEST.size));
    const found = (await measure(page, 'tfjs')).filter(({ title }) => title.startsWith('TensorFlow.js: a training step'));
    const [cells] = found.at(-1).rows;
    assert.match(cells[0], /webgpu/);
    [cells[1], cells[2]].forEach(positive);
    assert.equal(cells[5], 'not measured');
  });
  assert.deepEqual(faults, []);
  await context.close();
}
