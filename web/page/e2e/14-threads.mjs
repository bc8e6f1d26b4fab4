/** Threads: a cross-origin isolated page trains on several, and computes the bits of one. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { open } from './browser.mjs';
import { fifth } from './sample.mjs';
import { ISOLATED, serve } from './serve.mjs';
import { download, LONG, phase, start, table, text, untar } from './steps.mjs';

export const title = 'threads of the CPU path';
export const small = true;

const dist = fileURLToPath(new URL('../dist', import.meta.url));

/** Losses and weights of a short run, and what it ran on. */
async function trained(browser, address, method) {
  const context = await browser.newContext({ acceptDownloads: true });
  const { page, faults } = await open(context, `${address}?method=${method}&device=cpu&steps=8&batch=32`);
  await start(page);
  await table(page);
  const adapter = await text(page, '#adapter');
  const [run] = JSON.parse((await download(page, () => page.click('#runs-json'))).bytes.toString());
  const files = untar((await download(page, () => page.click('#result >> text=Download .tar'))).bytes);
  const weights = [...files].find(([name]) => name.endsWith('weights.safetensors'))[1];
  assert.deepEqual(faults, []);
  await context.close();
  return { adapter, losses: run.steps.map(([step, loss]) => [step, loss]), weights };
}

export default async function ({ browser, address, check, say }) {
  const sample = await fifth(dist, browser);
  const server = await serve(dist, sample, ISOLATED);
  await check('losses and weights have the bits of one thread', async () => {
    for (const method of ['moco-v2-plus', 'byol']) {
      const [one, several] = [await trained(browser, address, method), await trained(browser, server.address, method)];
      assert.doesNotMatch(one.adapter, /threads/);
      assert.match(several.adapter, /\d+ threads/);
      assert.deepEqual(several.losses, one.losses);
      assert.ok(several.weights.equals(one.weights), `${method}: the weights differ`);
      say(`${method}: ${one.losses.length} losses on ${several.adapter} are those on ${one.adapter}`);
    }
  });
  server.close();
  const plain = await serve(dist, sample);
  await check('on a host without special headers there are threads from the second visit on', async () => {
    const context = await browser.newContext({ serviceWorkers: 'allow' });
    const { page } = await open(context, `${plain.address}?device=cpu&steps=3&batch=8`);
    await phase(page, 'idle', LONG);
    assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.reload();
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    await start(page);
    await table(page);
    assert.match(await text(page, '#adapter'), /\d+ threads/);
    await context.close();
  });
  plain.close();
}
