/**
 * How fast the built page is: `npm run build && npm run speed [-- cpu|webgpu [QUERY]]`. From the visit to the first step
 * (the start is pressed at once), and pictures per second of the later steps, of the default recipe or of one that QUERY
 * changes, as in `npm run speed -- webgpu 'size=small&batch=8'`.
 */
import { fileURLToPath } from 'node:url';
import { launch, open } from './browser.mjs';
import { reachStep, start, stepNow } from './steps.mjs';
import { serve } from './serve.mjs';

const [device = 'cpu', query = ''] = process.argv.slice(2);
const steps = Number(process.env.STEPS ?? (device === 'cpu' ? 60 : 4));
const batch = Number(/batch=(\d+)/.exec(query)?.[1] ?? 32);
const server = await serve(fileURLToPath(new URL('../dist', import.meta.url)));
const browser = await launch();
const began = performance.now();
const { page } = await open(await browser.newContext(), `${server.address}?method=moco-v2-plus&device=${device}&${query}`);
await start(page);
await reachStep(page, 1);
const first = performance.now();
console.log(`visit to first step: ${((first - began) / 1000).toFixed(1)} s`);
const from = await stepNow(page);
await reachStep(page, from + steps);
const seconds = (performance.now() - first) / 1000;
const done = (await stepNow(page)) - from;
console.log(`${done} steps of ${batch} pictures in ${seconds.toFixed(1)} s: ${((done * batch) / seconds).toFixed(1)} pictures per second, ${(seconds / done).toFixed(2)} s per step`);
await browser.close();
server.close();
