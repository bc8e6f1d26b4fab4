/** The augmentation page: sliders, seeds, single operations, own pictures, links, and the same views as in training. */
import assert from 'node:assert/strict';
import { open, workerOf } from './browser.mjs';
import { accessible, DEVICES, lookAs, LOOKS, noSideways } from './looks.mjs';
import { png } from './png.mjs';
import { colours, drop, LONG, phase, start, text, watchFrames } from './steps.mjs';

export const title = 'augmentations';

const VIEWS = ['#lead .first canvas', '#lead .second canvas'];
const DRAWS = '#draws canvas';

const drawn = (page) => page.waitForFunction(() => document.body.dataset.drawn === 'yes', null, { timeout: LONG, polling: 20 });

/** Sizes and pixels of canvases, as a number (FNV-1a). */
const digest = (page, selectors) =>
  page.evaluate((wanted) => {
    let hash = 0x811c9dc5;
    for (const canvas of wanted.flatMap((one) => [...document.querySelectorAll(one)])) {
      const { width, height } = canvas;
      // Of a copy: what a worker draws cannot be read.
      const copy = new OffscreenCanvas(width, height).getContext('2d');
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, width, height);
      for (const byte of [width, height, ...data]) hash = Math.imul(hash ^ byte, 0x01000193);
    }
    return hash >>> 0;
  }, [selectors].flat());

/** Does something, waits until it is drawn, and returns the digest of the selected pair. */
async function after(page, work, selectors = VIEWS) {
  await work();
  await drawn(page);
  return digest(page, selectors);
}

const slide = (page, id, value) =>
  page.$eval(id, (input, to) => {
    input.value = String(to);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }, value);

const addressed = (page, pattern) => page.waitForFunction((want) => new RegExp(want).test(location.search), pattern, { timeout: 5000 });

export default async function ({ browser, address, shot, check, say }) {
  const base = `${address}augment.html`;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { page, faults } = await open(context, base);
  await drawn(page);

  await check('draws pairs at once, with what was drawn', async () => {
    for (const canvas of [...VIEWS, '#lead .source canvas']) assert.ok((await colours(page, canvas)) > 20, `${canvas} has colours`);
    assert.equal(await page.locator('#draws li').count(), 8);
    assert.match(await text(page, '#list-1'), /^crop\d+×\d+ at \d+, \d+resize32×32/);
    assert.match(await text(page, '#list-1'), /blur/);
    assert.equal(await page.locator('#lead .frames rect').count(), 4);
    assert.match(await text(page, '#timing'), /^\S.* · [\d.]+ ms per view$/);
    assert.equal(await page.locator('.notice').count(), 0);
    await shot(page, 'augment', { fullPage: true });
  });
  const first = await digest(page, VIEWS);
  await check('another pipeline, another draw; evaluation draws nothing', async () => {
    const v1 = await after(page, () => page.selectOption('#pipeline', 'moco-v1'));
    assert.doesNotMatch(await text(page, '#list-1'), /blur|solarize/);
    assert.match(await text(page, '#list-1'), /brightness/);
    const names = new Set([first, v1]);
    for (const name of ['moco-v2', 'byol-symmetric', 'supervised']) names.add(await after(page, () => page.selectOption('#pipeline', name)));
    assert.equal(names.size, 5, 'every pipeline has views of its own');
    await after(page, () => page.selectOption('#pipeline', 'eval'));
    assert.equal(await page.isDisabled('#knob-flip'), true);
    assert.equal(await page.isVisible('#draws-card'), false);
    assert.equal(await digest(page, '#lead .first canvas'), await digest(page, '#lead .source canvas'), 'a picture of 32 pixels as it is');
    assert.equal(await after(page, () => page.selectOption('#pipeline', 'byol-asymmetric')), first);
  });
  await check('a seed fixes the draw, and a new draw is another', async () => {
    const next = await after(page, () => page.click('#new-draw'));
    assert.notEqual(next, first);
    assert.equal(await page.inputValue('#seed'), '1');
    assert.equal(await after(page, () => page.fill('#seed', '0')), first);
    assert.equal(await after(page, () => page.fill('#seed', '1')), next);
    await page.fill('#seed', '-3');
    await page.press('#seed', 'Tab');
    assert.equal(await page.inputValue('#seed'), '1');
    assert.equal(await after(page, () => page.fill('#seed', '0')), first);
    const other = await after(page, () => page.click('#draws li:nth-child(4) button'));
    assert.notEqual(other, first);
    assert.equal(other, await digest(page, '#draws li:nth-child(4) canvas'), 'the pair that was chosen stands in front');
    assert.equal(await after(page, () => page.click('#draws li:nth-child(1) button')), first);
  });
  await check('a slider changes the policy, the address and the views; reset restores the paper\'s values', async () => {
    await page.focus('#knob-brightness');
    const brighter = await after(page, async () => {
      for (let press = 0; press < 20; press++) await page.keyboard.press('ArrowRight');
    });
    assert.notEqual(brighter, first);
    await addressed(page, 'brightness=0.6$');
    // Only the second view of the asymmetric pair.
    assert.match(await text(page, '#list-2'), /solarize128/);
    const [one, two] = [await digest(page, VIEWS[0]), await digest(page, VIEWS[1])];
    await after(page, () => slide(page, '#knob-solarize-2', 0));
    assert.equal(await digest(page, VIEWS[0]), one);
    assert.notEqual(await digest(page, VIEWS[1]), two);
    await addressed(page, 'solarize=0,0$');
    assert.doesNotMatch(await text(page, '#list-2'), /solarize/);
    await after(page, () => slide(page, '#knob-area-least', 0.9));
    assert.match(await page.getAttribute('#knob-area-least', 'aria-valuetext'), /90 %/);
    await after(page, () => slide(page, '#knob-area-most', 0.2));
    assert.equal(await page.inputValue('#knob-area-most'), '0.9', 'no thumb passes the other');
    assert.equal(await after(page, () => page.click('#reset')), first);
    await page.waitForFunction(() => location.search === '', null, { timeout: 5000 });
  });
  await check('many moves of a slider are one drawing of the newest, and the page is not blocked', async () => {
    await after(page, () => page.click('#sizes label:has-text("224")'));
    const longest = await watchFrames(page);
    const began = Date.now();
    await page.evaluate(async () => {
      const input = document.querySelector('#knob-hue');
      for (let move = 0; move <= 50; move++) {
        input.value = String(move / 100);
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise((next) => setTimeout(next, 4));
      }
    });
    await drawn(page);
    const [took, held] = [Date.now() - began, await longest()];
    say(`51 moves drawn in ${took} ms, longest hold-up of the page ${held.toFixed(0)} ms`);
    assert.ok(held < 500, `the page was held up for ${held} ms`);
    const swept = await digest(page, VIEWS);
    const fresh = await open(context, `${base}?size=224&hue=0.5`);
    await drawn(fresh.page);
    assert.equal(await digest(fresh.page, VIEWS), swept, 'what is shown is the newest');
    await fresh.page.close();
    await page.click('#sizes label:has-text("32")');
    assert.equal(await after(page, () => page.click('#reset')), first);
  });
  await check('a single operation, before and after', async () => {
    const [before, changed] = [await digest(page, '#op-before'), await digest(page, '#op-after')];
    assert.notEqual(changed, before);
    const ops = new Set();
    for (const name of ['crop', 'resize', 'hflip', 'brightness', 'contrast', 'saturation', 'hue', 'grayscale', 'blur', 'solarize']) {
      ops.add(await after(page, () => page.selectOption('#op', name), '#op-after'));
      assert.equal(await digest(page, '#op-before'), before);
    }
    assert.equal(ops.size, 10, 'every operation does something of its own');
    const none = await after(page, () => slide(page, '#op-threshold', 256), '#op-after');
    assert.equal(none, before, 'solarised from 256 on nothing changes');
    await after(page, () => slide(page, '#op-threshold', 40));
    await addressed(page, 'op=solarize:40');
    assert.match(await text(page, '#op-text'), /solarize 40/);
    assert.equal(await digest(page, VIEWS), first, 'the pair stays as it is');
  });
  await check('a link shows the same views, and a reload too', async () => {
    const link = `${base}?pipeline=moco-v2&seed=41&picture=77&size=96&pass=2&area=0.3,0.5&aspect=0.5,1.3333333333333333&jitter=1&blur=0.9,0.9&sigma=2,4&op=blur:3`;
    await page.goto(link);
    await drawn(page);
    assert.equal(await page.locator('.notice').count(), 0);
    const seen = await digest(page, [...VIEWS, DRAWS, '#op-after']);
    assert.equal(await page.inputValue('#seed'), '41');
    assert.match(await text(page, '#source-caption'), /^Picture 77, /);
    await page.waitForTimeout(400);
    assert.equal(page.url(), link, 'the address is what it was');
    await page.reload();
    await drawn(page);
    assert.equal(await digest(page, [...VIEWS, DRAWS, '#op-after']), seen);
    const other = await open(await browser.newContext({ colorScheme: 'dark' }), link);
    await drawn(other.page);
    assert.equal(await digest(other.page, [...VIEWS, DRAWS, '#op-after']), seen);
    await shot(other.page, 'augment-dark', { fullPage: true });
    await other.page.context().close();
  });
  await check('invalid parts of an address are named, and defaults are used', async () => {
    await page.goto(`${base}?pipeline=simclr&seed=-1&picture=99999&size=7&flip=2&area=0.9,0.1&sigma=x&op=warp:1&nonsense=1&hue=0.2`);
    await drawn(page);
    const items = await page.$$eval('.notice.warning li', (all) => all.map((one) => one.textContent));
    assert.deepEqual(items.sort(), ['area=0.9,0.1', 'flip=2', 'nonsense=1', 'op=warp:1', 'picture=99999', 'pipeline=simclr', 'seed=-1', 'sigma=x', 'size=7']);
    await shot(page, 'augment-address');
    await page.waitForFunction(() => location.search === '?hue=0.2', null, { timeout: 5000 });
    await page.goto(base);
    assert.equal(await after(page, () => undefined), first);
  });
  await check('a picture of one’s own by drop, a broken one is an error and the views stay', async () => {
    const own = await after(page, async () => {
      await drop(page, [['slope.png', 'image/png', [...png(300, 5)]]]);
      await page.waitForFunction(() => document.querySelector('#source-caption').textContent.includes('slope.png'));
    });
    assert.match(await text(page, '#source-caption'), /slope\.png · 300×300/);
    assert.match(await text(page, '#list-1'), /resize224×224/);
    await addressed(page, 'picture=own');
    await shot(page, 'augment-own', { fullPage: true });
    await drop(page, [['broken.jpg', 'image/jpeg', [255, 216, 255, 1, 2, 3]]]);
    await page.waitForSelector('.notice.error >> text=broken.jpg');
    await page.click('.notice .close');
    await drop(page, [['notes.txt', 'text/plain', [104, 105]]]);
    await page.waitForSelector('.notice.warning >> text=No picture there');
    await page.click('.notice .close');
    assert.equal(await digest(page, VIEWS), own);
    assert.notEqual(await after(page, () => page.click('#new-draw')), own);
    await page.setInputFiles('#picture-file', { name: 'other.png', mimeType: 'image/png', buffer: png(700, 9) });
    await page.waitForFunction(() => document.querySelector('#source-caption').textContent.includes('other.png · 512×512'));
    await after(page, () => page.click('#strip li:nth-child(3) button'));
    assert.match(await text(page, '#source-caption'), /^Picture 1, truck · 32×32/);
    await after(page, () => page.click('#strip li:nth-child(1) button'));
    assert.match(await text(page, '#source-caption'), /other\.png/);
    await addressed(page, 'picture=own');
    await page.reload();
    await page.waitForSelector('.notice.info >> text=somebody’s own picture');
  });
  await check('the views are those that training shows', async () => {
    const training = await open(context, `${address}?method=byol&device=cpu&steps=4&batch=8&seed=9`);
    await start(training.page);
    await training.page.click('#pause');
    await phase(training.page, 'paused');
    // The worker that draws has its last message.
    await training.page.waitForTimeout(1000);
    const pairs = await training.page.$$eval('#pairs li', (all) => all.map((one) => Number(one.querySelector('.source canvas').getAttribute('aria-label').replace(/\D/g, ''))));
    for (const [at, picture] of pairs.slice(0, 3).entries()) {
      const row = `#pairs li:nth-child(${at + 1})`;
      const shown = await digest(training.page, [`${row} .first canvas`, `${row} .second canvas`]);
      await page.goto(`${base}?seed=9&picture=${picture}`);
      await drawn(page);
      assert.equal(await digest(page, VIEWS), shown, `picture ${picture}`);
    }
    await training.page.close();
  });
  await check('WebGPU draws the same bits; a lost device is reported, and the CPU continues', async () => {
    const query = '?pipeline=byol-symmetric&seed=41&picture=77&solarize=0.5,0.5';
    await page.goto(`${base}${query}`);
    await drawn(page);
    assert.match(await text(page, '#timing'), /^CPU · /);
    const seen = await digest(page, [...VIEWS, DRAWS, '#op-after']);
    const { page: gpu, faults } = await open(context, `${base}${query}`);
    await drawn(gpu);
    await workerOf(gpu).evaluate(() => {
      const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...wanted) {
        return (self.device = await request.apply(this, wanted));
      };
    });
    await after(gpu, () => gpu.selectOption('#device', 'webgpu'));
    assert.match(await text(gpu, '#timing'), /^WebGPU · ./);
    say(`${await text(gpu, '#timing')}`);
    assert.equal(await digest(gpu, [...VIEWS, DRAWS, '#op-after']), seen);
    await shot(gpu, 'augment-webgpu');
    // More blur than the kernels support: the CPU draws this policy, and the page says so.
    await after(gpu, () => slide(gpu, '#knob-sigma-most', 6));
    await after(gpu, () => slide(gpu, '#knob-sigma-least', 5));
    assert.match(await text(gpu, '#timing'), /^CPU/);
    await after(gpu, () => gpu.click('#reset'));
    assert.match(await text(gpu, '#timing'), /^WebGPU/);
    const device = await workerOf(gpu).evaluate(() => Boolean(self.device?.destroy()) || self.device !== undefined);
    assert.equal(device, true, 'the device that is destroyed is the one that draws');
    await gpu.waitForSelector('.notice.warning >> text=The graphics device failed', { timeout: LONG });
    await drawn(gpu);
    await after(gpu, () => slide(gpu, '#knob-solarize', 0.5));
    assert.match(await text(gpu, '#timing'), /^CPU · /);
    assert.equal(await digest(gpu, [...VIEWS, DRAWS, '#op-after']), seen);
    assert.deepEqual(faults, []);
    await gpu.close();
  });
  await check('everything can be reached by keyboard', async () => {
    await page.goto(base);
    await drawn(page);
    const seen = new Set();
    for (let press = 0; press < 70; press++) {
      await page.keyboard.press('Tab');
      seen.add(await page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent));
    }
    const wanted = ['pipeline', 'device', 'seed', 'new-draw', 'size', 'reset', 'knob-area-least', 'knob-area-most', 'knob-threshold', 'picture-number', 'choose-picture', 'Picture 0', 'copy-link', 'Draw 1', 'op', 'op-delta'];
    for (const stop of wanted) assert.ok(seen.has(stop), `${stop} among ${[...seen]}`);
  });
  assert.deepEqual(faults, []);
  await context.close();
  for (const names of DEVICES) {
    await check(`${names.join(', ')}: no sideways scrolling, no axe violation`, async () => {
      const { page, faults } = await open(await browser.newContext(LOOKS[names[0]]), `${base}?seed=12&picture=6`);
      await drawn(page);
      for (const name of names) {
        await lookAs(page, name);
        await drawn(page);
        await noSideways(page);
        await accessible(page);
        await shot(page, `augment-${name}`, { fullPage: true });
      }
      assert.deepEqual(faults, []);
      await page.context().close();
    });
  }
  await check('on a phone the views stay in sight while a slider moves', async () => {
    const { page } = await open(await browser.newContext(LOOKS.phone), base);
    await drawn(page);
    await page.locator('#knob-threshold').scrollIntoViewIfNeeded();
    const box = await page.locator(VIEWS[0]).boundingBox();
    assert.ok(box.y >= 0 && box.y + box.height < 500, `the views lie at ${box.y}`);
    await shot(page, 'augment-phone-sliders');
    await page.context().close();
  });
}
