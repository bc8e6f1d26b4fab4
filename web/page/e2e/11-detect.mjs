/** Detection: the page's detector on its pictures and one's own, NMS step by step, RoIAlign, and the same boxes as natively. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { open } from './browser.mjs';
import { accessible, LOOKS, noSideways } from './looks.mjs';
import { png } from './png.mjs';
import { colours, LONG, phase, text } from './steps.mjs';

export const title = 'detection';

const model = (name) => fileURLToPath(new URL(`../detector/${name}`, import.meta.url));

const detected = (page) => page.waitForFunction(() => document.querySelector('#detection').dataset.detected === 'yes', null, { timeout: LONG, polling: 50 });

const slide = (page, id, value) =>
  page.$eval(id, (input, to) => {
    input.value = String(to);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }, value);

/** The boxes of the table. */
const boxes = (page) =>
  page.$$eval('#detect-table tbody tr', (rows) =>
    rows.map((row) => {
      const [name, score, ...box] = [...row.children].map((cell) => cell.textContent);
      return { name, score: Number(score), box: box.map(Number) };
    }),
  );

/** Pixels of the picture with its boxes, as a number (FNV-1a), after the next frame. */
const digest = (page) =>
  page.evaluate(async () => {
    await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
    const canvas = document.querySelector('#detect-picture');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let hash = 0x811c9dc5;
    for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
    return hash >>> 0;
  });

function overlap(a, b) {
  const side = (at) => Math.max(0, Math.min(a[at + 2], b[at + 2]) - Math.max(a[at], b[at]));
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  const both = side(0) * side(1);
  return both / (area(a) + area(b) - both);
}

/** What the command line finds with the page's weights. */
async function natively(picture) {
  const folder = await mkdtemp(join(tmpdir(), 'parallax-'));
  const weights = await readFile(model('weights.safetensors'));
  const header = JSON.parse(weights.subarray(8, 8 + Number(weights.readBigUInt64LE(0))).toString());
  await writeFile(join(folder, 'recipe.toml'), header.__metadata__.recipe);
  for (const name of ['weights.safetensors', 'classes.json']) await copyFile(model(name), join(folder, name));
  const { stdout } = await promisify(execFile)(process.env.PARALLAX ?? 'parallax', [
    'detect', 'show', '--weights', join(folder, 'weights.safetensors'), '--input', model(picture), '--out', join(folder, 'drawn.png'), '--score', '0.5', '--device', 'cpu', '--json',
  ]);
  return JSON.parse(stdout);
}

/** Moves the pointer over the picture until it finds a box. */
async function pointAtBox(page) {
  const bounds = await page.locator('#detect-picture').boundingBox();
  const [{ box: [x1, y1, x2, y2] }] = await boxes(page);
  const width = await page.$eval('#detect-picture', (canvas) => Number(canvas.style.aspectRatio.split('/')[0]));
  const scale = bounds.width / width;
  await page.mouse.move(bounds.x + ((x1 + x2) / 2) * scale, bounds.y + ((y1 + y2) / 2) * scale);
}

export default async function ({ browser, address, shot, check, say }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, faults } = await open(context, `${address}?device=cpu`);
  const fetched = [];
  page.on('request', (request) => fetched.push(request.url()));
  await phase(page, 'idle');
  await check('nothing of the detector is loaded before it is opened', async () => {
    assert.equal(await page.isVisible('#detect-body'), false);
    assert.ok(!fetched.some((url) => /weights|blood|detection/.test(url)), fetched.join(' '));
  });
  await check('opening it finds the cells of the first picture', async () => {
    await page.click('#detect-open');
    await detected(page);
    say(`${await text(page, '#detect-state')}, ${await text(page, '#detect-where')}`);
    const found = await boxes(page);
    assert.ok(found.length >= 3, `${found.length} detections`);
    assert.ok(found.every(({ score }) => score >= 0.5));
    assert.ok(found.some(({ name }) => name === 'RBC'), 'red blood cells');
    assert.ok((await colours(page, '#detect-picture')) > 100, 'the picture is drawn');
    assert.match(await text(page, '#detect-legend'), /Platelets: \d+RBC: \d+WBC: \d+/);
    await page.locator('#detection').screenshot({ path: new URL('./shots/detect.png', import.meta.url).pathname });
  });
  await check('the command line finds the same', async () => {
    const [here, there] = [await boxes(page), await natively('blood-1.jpg')];
    // Decoders of JPEG differ by a few levels of grey; a box at the threshold may be lost.
    assert.ok(Math.abs(here.length - there.length) <= 1, `${here.length} here, ${there.length} natively`);
    const twin = ({ name, score, box }) => there.some((one) => one.category === name && Math.abs(one.score - score) < 0.05 && overlap(one.box, box) > 0.9);
    const lost = here.filter((one) => one.score > 0.55 && !twin(one));
    assert.deepEqual(lost, []);
  });
  await check('the slider hides boxes of lower scores', async () => {
    const [drawn, before] = [await digest(page), await boxes(page)];
    await slide(page, '#detect-score', 90);
    const strict = await boxes(page);
    assert.deepEqual(strict, before.filter(({ score }) => score >= 0.9));
    assert.match(await text(page, '#detect-score-now'), new RegExp(`^0\\.90 · ${strict.length} detections`));
    if (strict.length < before.length) assert.notEqual(await digest(page), drawn);
    await slide(page, '#detect-score', 10);
    assert.ok((await boxes(page)).length > before.length, 'more boxes of lower scores');
    await page.focus('#detect-score');
    for (let press = 0; press < 40; press++) await page.keyboard.press('ArrowRight');
    assert.deepEqual(await boxes(page), before);
  });
  await check('a box under the pointer shows the grid of RoIAlign and the pooled map', async () => {
    const drawn = await digest(page);
    await pointAtBox(page);
    await page.waitForSelector('#region-body:not([hidden])', { timeout: LONG });
    assert.notEqual(await digest(page), drawn);
    assert.match(await text(page, '#region-says'), /^\w+, [01]\.\d+, from proposal \d+, \d+ × \d+ px\.$/);
    assert.match(await text(page, '#region-samples'), /^14 × 14 bins with \d+ × \d+ samples? each$/);
    assert.ok((await colours(page, '#region-map')) > 10, 'the pooled map is drawn');
    assert.ok((await colours(page, '#region-crop')) > 50, 'the region is drawn');
    const shares = await page.$$eval('#region-classes .figure', (all) => all.map((one) => Number.parseFloat(one.textContent)));
    assert.equal(shares.length, 4);
    assert.ok(Math.abs(shares.reduce((sum, one) => sum + one, 0) - 100) < 0.3, `${shares}`);
    const mean = await text(page, '#region-range');
    await slide(page, '#region-channel', 3);
    assert.match(await text(page, '#region-channel-name'), /^channel 3 of \d+$/);
    assert.notEqual(await text(page, '#region-range'), mean);
    await slide(page, '#region-channel', 0);
    await page.locator('#detection').screenshot({ path: new URL('./shots/detect-region.png', import.meta.url).pathname });
  });
  await check('boxes by keyboard', async () => {
    await page.focus('#detect-picture');
    await page.keyboard.press('ArrowRight');
    const first = await text(page, '#region-says');
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await text(page, '#region-says'), first);
    assert.match(await text(page, '#announce'), /from proposal/);
  });
  await check('NMS of proposals, step by step', async () => {
    await page.check('input[name=detect-kind][value=proposals]', { force: true });
    assert.match(await text(page, '#detect-says'), /scores 4,500 anchors .* leaves 100 proposals of the best [\d,]{3,5}\.$/);
    const [, left, before] = /^After NMS, (\d+) of (\d+) boxes are left\.$/.exec(await text(page, '#nms-says'));
    assert.ok(Number(left) <= 100 && Number(left) < Number(before), `${left} of ${before}`);
    assert.equal((await boxes(page)).length, Number(left));
    const result = await digest(page);
    await page.click('#nms-next');
    const step = await text(page, '#nms-says');
    assert.match(step, /^Step 1 of \d+: the best box left, objectness \d\.\d+, is kept; \d+ box/);
    assert.notEqual(await digest(page), result);
    await page.locator('#detection').screenshot({ path: new URL('./shots/detect-nms.png', import.meta.url).pathname });
    await page.click('#nms-back');
    assert.equal(await text(page, '#nms-says'), `Before NMS, there are ${before} boxes.`);
    // What the steps keep and suppress adds up.
    let sum = 0;
    await slide(page, '#detect-score', 60);
    const [, kept, all] = /^After NMS, (\d+) of (\d+)/.exec(await text(page, '#nms-says'));
    for (let at = 1; at <= Number(kept); at++) {
      await slide(page, '#nms-step', at);
      const [, fell] = /kept; (\d+) box/.exec(await text(page, '#nms-says'));
      sum += 1 + Number(fell);
    }
    assert.ok(Number(kept) > 3 && Number(kept) < 100, `${kept} proposals`);
    assert.equal(sum, Number(all));
    await slide(page, '#detect-score', 0);
    await page.check('input[name=detect-kind][value=detections]', { force: true });
  });
  await check('another picture, and one’s own by file; other files are refused in words', async () => {
    const first = await boxes(page);
    await page.check('input[name=detect-sample][value="1"]', { force: true });
    await detected(page);
    assert.notDeepEqual(await boxes(page), first);
    await page.setInputFiles('#detect-file', { name: 'slope.png', mimeType: 'image/png', buffer: png(300, 5) });
    await detected(page);
    assert.match(await page.$eval('#detect-picture', (canvas) => canvas.style.aspectRatio), /^300 \/ 300$/);
    await page.setInputFiles('#detect-file', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await page.waitForSelector('#detect-state.bad >> text=notes.txt is not a picture');
    await page.setInputFiles('#detect-file', { name: 'broken.jpg', mimeType: 'image/jpeg', buffer: Buffer.from([255, 216, 255, 1, 2]) });
    await page.waitForSelector('#detect-state.bad >> text=broken.jpg', { timeout: LONG });
    await page.check('input[name=detect-sample][value="0"]', { force: true });
    await detected(page);
    assert.deepEqual(await boxes(page), first);
  });
  await check('looks', async () => {
    await page.focus('#detect-picture');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('#region-body:not([hidden])', { timeout: LONG });
    for (const [name, { viewport, colorScheme = 'light' }] of Object.entries({ desktop: LOOKS.desktop, dark: LOOKS.dark, phone: LOOKS.phone, 'phone-dark': LOOKS['phone-dark'] })) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(400);
      await noSideways(page);
      await accessible(page);
      await page.locator('#detection').screenshot({ path: new URL(`./shots/detect-${name}.png`, import.meta.url).pathname });
    }
  });
  await check('WebGPU finds the same', async () => {
    const cpu = await boxes(page);
    await page.selectOption('#detect-device', 'webgpu');
    await page.waitForFunction(() => document.querySelector('#detect-where').textContent.startsWith('WebGPU'), null, { timeout: LONG });
    await detected(page);
    say(`${await text(page, '#detect-state')}, ${await text(page, '#detect-where')}`);
    const gpu = await boxes(page);
    assert.equal(gpu.length, cpu.length);
    for (const [at, { name, score, box }] of gpu.entries()) {
      assert.equal(name, cpu[at].name);
      assert.ok(Math.abs(score - cpu[at].score) < 0.003 && overlap(box, cpu[at].box) > 0.98, `${at}: ${score} ${box}, ${cpu[at].score} ${cpu[at].box}`);
    }
  });
  assert.deepEqual(faults, []);
  await context.close();
}
