/** Every preset as a visitor runs it: what its sentence says happens. `bench/presets.py` shows it with three seeds. */
import assert from 'node:assert/strict';
import { open } from '../browser.mjs';
import { download, LONG, phase, text } from '../steps.mjs';

export const title = 'presets';

const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;

/** Of both runs, in their order: mean loss of the last 50 steps, kNN accuracy, spread. */
async function outcomes(page) {
  const [first, second] = JSON.parse((await download(page, () => page.click('#runs-json'))).bytes.toString()).sort((a, b) => a.created.localeCompare(b.created));
  const told = [...(await text(page, '#experiment-state')).matchAll(/kNN ([\d.]+) % \(untrained [\d.]+ %\), spread ([\d.]+)/g)];
  return [first, second].map(({ steps }, at) => ({ loss: mean(steps.slice(-50).map(([, loss]) => loss)), knn: Number(told[at][1]), spread: Number(told[at][2]) }));
}

const HAPPENS = {
  collapse: ([byol, without]) => assert.ok(without.spread < byol.spread / 2 && without.loss < byol.loss),
  colour: ([all, crops]) => assert.ok(crops.loss < all.loss),
  classes: ([supervised, moco]) => assert.ok(moco.knn > supervised.knn),
};

export default async function ({ browser, address, check, say }) {
  for (const [name, happens] of Object.entries(HAPPENS)) {
    await check(name, async () => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
      const { page, faults } = await open(context, `${address}?device=cpu`);
      await phase(page, 'idle');
      await page.click(`[data-preset=${name}]`);
      await page.waitForFunction(() => document.querySelectorAll('#experiment .outcome').length === 2, null, { timeout: LONG });
      await phase(page, 'idle');
      const found = await outcomes(page);
      say(JSON.stringify(found));
      happens(found);
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
}
