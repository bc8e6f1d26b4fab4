/** The benchmarks' page on the CPU: kernels, a training step, views, and TensorFlow.js, at the smallest sizes. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { byTensors, measure, near, pipelines, positive, sampled, SMALLEST } from './tables.mjs';

export const title = 'benchmarks';

/** Prepended to a script: a browser without relaxed SIMD. */
const NO_RELAXED_SIMD = 'WebAssembly.validate = () => false;\n';

export default async function ({ browser, address, shot, check }) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  const { page, faults } = await open(context, address);
  let loss;
  await check('the footer leads there', async () => {
    await page.click('footer a');
    await page.waitForURL(/bench\.html$/);
    await page.selectOption('#device', 'cpu');
    for (const [name, value] of Object.entries(SMALLEST)) await page.fill(`[name=${name}]`, String(value));
  });
  await check('a training step on the CPU', async () => {
    const [step] = await measure(page, 'step');
    assert.match(step.title, /width 4 at 8 px, batch 2/);
    const [[who, first, each, rate, , found]] = step.rows;
    assert.match(who, /Parallax, CPU, WebAssembly relaxed SIMD/);
    [first, each, rate, found].forEach(positive);
    loss = found;
  });
  await check('a browser without relaxed SIMD takes the other module, with the same loss', async () => {
    const old = await browser.newContext();
    const asked = [];
    await old.route('**/assets/*.js', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: `${NO_RELAXED_SIMD}${await answer.text()}` });
    });
    const { page, faults } = await open(old, new URL('bench.html', address).href);
    page.on('request', (request) => asked.push(request.url()));
    await page.selectOption('#device', 'cpu');
    for (const [name, value] of Object.entries(SMALLEST)) await page.fill(`[name=${name}]`, String(value));
    const [[who, , , , , found]] = (await measure(page, 'step'))[0].rows;
    assert.match(who, /Parallax, CPU, WebAssembly SIMD/);
    assert.equal(found, loss);
    assert.ok(asked.some((url) => url.endsWith('.wasm')) && !asked.some((url) => url.includes('relaxed')), String(asked));
    assert.deepEqual(faults, []);
    await old.close();
  });
  await check('every kernel on the CPU', async () => {
    const kernels = (await measure(page, 'kernels')).find(({ title }) => title.startsWith('Kernels'));
    assert.ok(kernels.rows.length > 40, `${kernels.rows.length} rows`);
    for (const cells of kernels.rows) [cells[2], cells[3]].forEach((cell) => assert.ok(Number(cell) >= 0, cells.join(' ')));
  });
  await check('TensorFlow.js on its CPU backend, with ratios', async () => {
    const found = await measure(page, 'tfjs');
    const [cells] = found.find(({ title }) => title.includes('a training step') && title.startsWith('TensorFlow.js')).rows;
    assert.match(cells[0], /TensorFlow\.js 4\.22\.0, cpu/);
    [cells[1], cells[2], cells[3], cells[5]].forEach(positive);
    assert.ok(Number(cells[4]) < Number(cells[3]), 'its loss falls');
    const convolutions = found.find(({ title }) => title.includes('convolutions'));
    assert.equal(convolutions.rows.length, 8);
  });
  await check('views on the CPU: ours, Burn’s, TensorFlow.js’s, of the same operations', async () => {
    // Burn and TensorFlow.js blur against black beyond the edge, which must not be most of a view.
    await page.fill('[name=size]', '64');
    const found = await measure(page, 'views');
    const ours = pipelines(found, /^On the CPU: views of 64 px/, -2);
    const burn = pipelines(found, /^On the CPU: views of 64 px/, -1);
    near(ours, burn, byTensors);
    for (const [cells] of ours) [cells[1], cells[2], cells[3]].forEach(positive);
    const theirs = pipelines(await measure(page, 'tfjs-views'), /^TensorFlow\.js 4\.22\.0 on cpu: views/, -1);
    near(burn, theirs, sampled);
    for (const [cells] of theirs) [cells[1], cells[2]].forEach(positive);
  });
  await check('looks: no sideways scrolling, no axe violation, Markdown, nothing forbidden', async () => {
    await noSideways(page);
    await accessible(page);
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => void (window.copied = text) } }));
    await page.click('#copy');
    const markdown = await page.evaluate(() => window.copied);
    assert.match(markdown, /^\| shape \| operation \|/m);
    await shot(page, 'bench-phone', { fullPage: true });
    await page.setViewportSize({ width: 1280, height: 900 });
    await shot(page, 'bench-desktop', { fullPage: true });
    assert.deepEqual(faults, []);
  });
  await context.close();
}
