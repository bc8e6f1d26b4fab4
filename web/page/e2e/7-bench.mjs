/** The benchmarks' page: kernels, a training step, TensorFlow.js beside them, at the smallest sizes. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { LONG, phase } from './steps.mjs';

export const title = 'benchmarks';

/** Every table: its title and the cells of its rows. */
const tables = (page) =>
  page.$$eval('#tables section', (sections) =>
    sections.map((section) => ({
      title: section.querySelector('h2').textContent,
      rows: [...section.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent)),
    })),
  );

async function measure(page, what) {
  await page.click(`button[value=${what}]`);
  await phase(page, 'idle', LONG);
  assert.equal(await page.textContent('#state'), 'Done.');
  return tables(page);
}

const positive = (text) => assert.ok(Number(text) > 0, `a figure, not '${text}'`);

export default async function ({ browser, address, shot, check }) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  const { page, faults } = await open(context, address);
  await check('the footer leads there', async () => {
    await page.click('footer a');
    await page.waitForURL(/bench\.html$/);
    await page.selectOption('#device', 'cpu');
    for (const [name, value] of Object.entries({ width: 4, batch: 2, size: 8, steps: 3, time: 2 })) await page.fill(`[name=${name}]`, String(value));
  });
  await check('a training step on the CPU', async () => {
    const [step] = await measure(page, 'step');
    assert.match(step.title, /width 4 at 8 px, batch 2/);
    const [[who, first, each, rate, , loss]] = step.rows;
    assert.match(who, /Parallax, CPU/);
    [first, each, rate, loss].forEach(positive);
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
  await check('TensorFlow.js on its WebGPU backend', async () => {
    await page.selectOption('#device', 'webgpu');
    const found = (await measure(page, 'tfjs')).filter(({ title }) => title.startsWith('TensorFlow.js: a training step'));
    const [cells] = found.at(-1).rows;
    assert.match(cells[0], /webgpu/);
    [cells[1], cells[2]].forEach(positive);
    assert.equal(cells[5], 'not measured');
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
