/**
 * What the live panels cost the training: steps a second while they are shown and while they are hidden, in turn. BLOCKS sets the
 * number of times, SECONDS the length of each.
 */
import assert from 'node:assert/strict';
import { open } from '../browser.mjs';
import { reachStep, start } from '../steps.mjs';

export const title = 'the cost of the live panels';

const BLOCKS = Number(process.env.BLOCKS ?? 10);
const SECONDS = Number(process.env.SECONDS ?? 6);
/** The share of the steps that is left at least, on a machine that does nothing else: docs/benchmarks/browser.md. */
const LEFT = 0.95;

/** Records when the page hears of steps, and of what else takes the worker's time. */
function record() {
  const heard = (window.heard = []);
  const Native = window.Worker;
  window.Worker = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data }) => heard.push([data.type, performance.now()]));
    }
  };
}

/** Times between steps in which nothing is evaluated or saved, in milliseconds. */
function between(heard) {
  const times = [];
  let last = null;
  for (const [type, time] of heard) {
    if (type === 'step') {
      if (last !== null) times.push(time - last);
      last = time;
    } else if (type === 'probe' || type === 'checkpoint' || type === 'progress') last = null;
  }
  return times;
}

const rate = (times) => (1000 * times.length) / times.reduce((sum, time) => sum + time, 0);

export default async function ({ browser, address, shot, check, say }) {
  await check(`steps a second with live panels are at least ${LEFT} of those without`, async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 1600 } });
    await context.addInitScript(record);
    const { page, faults } = await open(context, `${address}?method=moco-v2-plus&device=cpu&steps=100000`);
    await start(page);
    await reachStep(page, 50);
    const times = { shown: [], hidden: [] };
    const rates = { shown: [], hidden: [] };
    for (let block = 0; block < 2 * BLOCKS; block++) {
      const state = block % 2 === 0 ? 'shown' : 'hidden';
      await page.evaluate(() => window.heard.splice(0));
      await page.waitForTimeout(1000 * SECONDS);
      const found = between(await page.evaluate(() => window.heard));
      times[state].push(...found);
      rates[state].push(rate(found));
      if (block === 2) await shot(page, 'live-panels', { fullPage: true });
      await page.click('#fold');
    }
    const [shown, hidden] = [rate(times.shown), rate(times.hidden)];
    const list = (all) => all.map((one) => one.toFixed(1)).join(', ');
    say(`shown ${list(rates.shown)}; hidden ${list(rates.hidden)} steps a second`);
    say(`${shown.toFixed(2)} and ${hidden.toFixed(2)} steps a second in all: ${(shown / hidden).toFixed(3)}`);
    assert.ok(shown >= LEFT * hidden, `${shown} and ${hidden}`);
    assert.deepEqual(faults, []);
    await context.close();
  });
}
