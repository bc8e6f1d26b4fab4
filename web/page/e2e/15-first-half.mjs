/** The first half of the module. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { reachStep, start, table } from './steps.mjs';

export const title = 'the first half of the module';

export default async function ({ browser, address, check }) {
  await check('the first steps of a run need the first half of the module alone', async () => {
    const context = await browser.newContext();
    let rest;
    const held = new Promise((go) => (rest = go));
    await context.route('**/*_rest-*.wasm', async (route) => (await held, route.continue()));
    const { page, faults } = await open(context, `${address}?device=cpu&method=moco-v2-plus&steps=8&batch=8`);
    await start(page);
    await reachStep(page, 3);
    rest();
    await table(page);
    assert.deepEqual(faults, []);
    await context.close();
  });
}
