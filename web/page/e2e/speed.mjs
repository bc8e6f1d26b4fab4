/**
 * How fast the built page is: `npm run build && npm run speed [-- cpu|webgpu [QUERY]]`. Times to the first step with a cold and a
 * warm cache (the start is pressed as soon as it can be), and pictures per second of the later steps, of the default recipe or
 * of one that QUERY changes, as in `npm run speed -- webgpu 'size=small&batch=8'`. Warm visits find the files that the service
 * worker keeps. STEPS sets the number of later steps, VISITS that of visits.
 */
import { fileURLToPath } from 'node:url';
import { launch, open } from './browser.mjs';
import { phase, reachStep, stepNow, watchFrames } from './steps.mjs';
import { serve } from './serve.mjs';

const [device = 'cpu', query = ''] = process.argv.slice(2);
const steps = Number(process.env.STEPS ?? (device === 'cpu' ? 60 : 4));
const visits = Number(process.env.VISITS ?? 4);
const batch = Number(/batch=(\d+)/.exec(query)?.[1] ?? 32);
const server = await serve(fileURLToPath(new URL('../dist', import.meta.url)));
const browser = await launch();
const context = await browser.newContext({ serviceWorkers: 'allow' });
const address = `${server.address}?method=moco-v2-plus&device=${device}&${query}`;
const seconds = (from, to) => ((to - from) / 1000).toFixed(2).padStart(5);
let page;
let first;
let longest;
for (let visit = 0; visit < visits; visit++) {
  await page?.close();
  const began = performance.now();
  ({ page } = await open(context, address));
  await phase(page, 'idle');
  longest = await watchFrames(page);
  const ready = performance.now();
  await page.click('#start');
  await phase(page, 'running');
  const started = performance.now();
  await reachStep(page, 1);
  first = performance.now();
  console.log(`${visit === 0 ? 'cold' : 'warm'} cache: ${seconds(began, ready)} s to the end of loading, from the press ${seconds(ready, started)} s to the run's start, ${seconds(ready, first)} s to its first step; ${seconds(began, first)} s in all`);
  if (visit === 0) await page.evaluate(() => navigator.serviceWorker.ready);
}
const from = await stepNow(page);
await reachStep(page, from + steps);
const took = (performance.now() - first) / 1000;
const done = (await stepNow(page)) - from;
console.log(`${done} steps of ${batch} pictures in ${took.toFixed(1)} s: ${((done * batch) / took).toFixed(1)} pictures per second, ${(took / done).toFixed(2)} s per step`);
console.log(`longest hold-up of the page ${(await longest()).toFixed(0)} ms`);
await browser.close();
server.close();
