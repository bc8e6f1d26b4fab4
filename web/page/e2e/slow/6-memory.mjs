/** Memory of a run on a phone: of the process of the tab, with its workers, and of the whole browser. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { open } from '../browser.mjs';
import { LOOKS } from '../looks.mjs';
import { reachStep, start, stepNow, table } from '../steps.mjs';

export const title = 'memory of a run on a phone';

const STEPS = 300;
const MOST = 600;

/** Megabytes of a process: what is its own, and its part of what it shares. */
async function megabytes(id) {
  const text = await readFile(`/proc/${id}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
}

export default async function ({ browser, address, check, say }) {
  const devtools = await browser.newBrowserCDPSession();
  async function measured() {
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    const sizes = await Promise.all(processInfo.map(async ({ type, id }) => ({ type, size: await megabytes(id) })));
    const tabs = sizes.filter(({ type }) => type === 'renderer').map(({ size }) => size);
    return { tab: Math.max(...tabs), all: sizes.reduce((sum, { size }) => sum + size, 0) };
  }
  const empty = await measured();
  for (const query of ['method=byol', 'method=moco-v2-plus', 'method=moco-v2-plus&size=small']) {
    await check(`${query}: the tab takes less than ${MOST} MB`, async () => {
      const context = await browser.newContext(LOOKS.phone);
      const { page, faults } = await open(context, `${address}?device=cpu&steps=${STEPS}&${query}`);
      const peak = await measured();
      await start(page);
      for (let at = 0; at < STEPS && (await page.isHidden('#result')); at = await stepNow(page)) {
        const now = await measured();
        for (const key of ['tab', 'all']) peak[key] = Math.max(peak[key], now[key]);
        await page.waitForTimeout(500);
      }
      await reachStep(page, STEPS);
      await table(page);
      const end = await measured();
      for (const key of ['tab', 'all']) peak[key] = Math.max(peak[key], end[key]);
      say(`at most ${peak.tab.toFixed(0)} MB in the tab, ${peak.all.toFixed(0)} MB in all (${empty.all.toFixed(0)} MB without a page)`);
      assert.ok(peak.tab > 50 && peak.tab < MOST, `${peak.tab} MB`);
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
}
