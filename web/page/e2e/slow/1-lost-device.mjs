/** The graphics device is lost twenty times: the run goes on by itself each time, and its losses are those of a run without loss. */
import assert from 'node:assert/strict';
import { open } from '../browser.mjs';
import { loseDevices, reachDevices } from '../devices.mjs';
import { download, LONG, phase, reachStep, start, stepNow, table, text } from '../steps.mjs';

export const title = 'twenty lost devices';

const LOSSES = Number(process.env.LOSSES ?? 20);
const STEPS = 24;
/**
 * Seconds from a loss until the run goes on. The next step also compiles all shaders, which takes a software adapter long, and until
 * they are compiled the browser opens no other device.
 */
const WITHIN = 5;

/** Step and loss of every step of the only run. */
async function logged(page) {
  const [run] = JSON.parse((await download(page, () => page.click('#runs-json'))).bytes.toString());
  return run.steps.map(([step, loss]) => [step, loss]);
}

export default async function ({ browser, address, check, say }) {
  const query = `steps=${STEPS}&batch=4`;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
  await reachDevices(context);
  const { page } = await open(context, `${address}?device=webgpu&${query}`, { expected: [/./] });
  const times = [];
  await check(`after each of ${LOSSES} losses the run goes on by itself on WebGPU`, async () => {
    await start(page);
    await page.waitForSelector('#runs .badge', { timeout: LONG });
    for (let loss = 1; loss <= LOSSES; loss++) {
      // In training, and of a run that is paused.
      const paused = loss % 4 === 1;
      if (paused) {
        await page.click('#pause');
        await phase(page, 'paused');
      }
      const step = await stepNow(page);
      let began = Date.now();
      const since = () => ((Date.now() - began) / 1000).toFixed(1);
      await loseDevices(page);
      if (paused) {
        assert.equal(await page.evaluate(() => document.body.dataset.phase), 'paused');
        await page.click('#pause');
        began = Date.now();
      }
      await page.waitForSelector(`.notice.info >> text=/was lost${loss === 1 ? '' : ` ${loss} times`}$/`, { timeout: LONG });
      times.push((Date.now() - began) / 1000);
      const from = Number(/from step (\d+)/.exec(await text(page, '.notice.info p'))[1]);
      const words = `loss ${loss} at step ${step}${paused ? ', paused' : ''}: goes on from step ${from} after ${since()} s`;
      assert.ok(from <= step);
      await phase(page, 'running');
      assert.match(await text(page, '#adapter'), /^WebGPU · /);
      await reachStep(page, from + 1);
      say(`${words}, the next step after ${since()} s`);
    }
    assert.ok(Math.max(...times) <= WITHIN, `${times.map((time) => time.toFixed(1))} s`);
  });
  await check('every step was logged once, with the loss of a run on the CPU', async () => {
    await table(page);
    const found = await logged(page);
    const fresh = await browser.newContext({ acceptDownloads: true });
    const { page: calm } = await open(fresh, `${address}?device=cpu&${query}`);
    await start(calm);
    await table(calm);
    const wanted = await logged(calm);
    assert.deepEqual(found.map(([step]) => step), wanted.map(([step]) => step));
    for (const [at, [step, loss]] of wanted.entries()) assert.ok(Math.abs(found[at][1] - loss) < 1e-3, `step ${step}: ${found[at][1]}, not ${loss}`);
    await fresh.close();
  });
  await context.close();
}
