/** The tables of the benchmarks' page. */
import assert from 'node:assert/strict';
import { LONG, phase } from './steps.mjs';

/** Every table: its title and the cells of its rows. */
export const tables = (page) =>
  page.$$eval('#tables section', (sections) =>
    sections.map((section) => ({
      title: section.querySelector('h2').textContent,
      rows: [...section.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent)),
    })),
  );

export async function measure(page, what) {
  await page.click(`button[value=${what}]`);
  await phase(page, 'idle', LONG);
  assert.equal(await page.textContent('#state'), 'Done.');
  return tables(page);
}

export const SMALLEST = { width: 4, batch: 2, size: 8, steps: 3, time: 2 };

export const positive = (text) => assert.ok(Number(text) > 0, `a figure, not '${text}'`);

/** A table of all pipelines; `mean` is the column with the mean of the views' numbers. */
export function pipelines(found, title, mean) {
  const table = found.findLast((one) => title.test(one.title));
  assert.deepEqual(table.rows.map(([name]) => name), ['moco-v1', 'moco-v2', 'byol-asymmetric', 'byol-symmetric', 'supervised', 'eval']);
  return table.rows.map((cells) => [cells, Number(cells.at(mean))]);
}

/** That the numbers of views have the same mean, as `most` of a pipeline allows: they go from -2.1 to 2.6. */
export const near = (ones, others, most) => ones.forEach(([[name], mean], at) => assert.ok(Math.abs(mean - others[at][1]) < most(name), `${name}: ${mean}, ${others[at][1]}`));

/** Ours and tensor operations: they differ by antialiasing, and in hue by a matrix that preserves another brightness. */
export const byTensors = (name) => (/supervised|eval/.test(name) ? 0.03 : 0.3);
/** Burn's and TensorFlow.js's are the same operations, but resize samples half a pixel apart. */
export const sampled = () => 0.05;
