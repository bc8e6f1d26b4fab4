/** Chromium under Playwright, recording everything that a page must not do. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

function executable() {
  if (process.env.CHROME) return process.env.CHROME;
  for (const folder of process.env.PATH.split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      if (existsSync(join(folder, name))) return join(folder, name);
    }
  }
  throw new Error('no Chromium on PATH; name one in CHROME');
}

const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** `gpu: false` starts a browser without WebGPU, `camera: true` one with a made-up camera, which a context must permit. */
export async function launch({ gpu = true, camera = false } = {}) {
  const extra = gpu ? ['--enable-unsafe-webgpu'] : ['--disable-features=WebGPU', '--disable-gpu', '--disable-software-rasterizer'];
  if (camera) extra.push('--use-fake-device-for-media-stream');
  const browser = await chromium.launch({ executablePath: executable(), headless: true, args: [...FLAGS, ...extra] });
  // A service worker would answer requests that tests intercept; only the test of it allows one.
  const made = browser.newContext.bind(browser);
  browser.newContext = (options = {}) => made({ serviceWorkers: 'block', ...options });
  return browser;
}

/**
 * A page that records what it must not do: requests to elsewhere, console errors, policy violations, uncaught errors.
 * `expected` are patterns of console errors that the test provokes.
 */
export async function open(context, address, { expected = [] } = {}) {
  const page = await context.newPage();
  const faults = [];
  const home = new URL(address).origin;
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${home}/`) && !/^(blob|data):/.test(url)) faults.push(`request to ${url}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) faults.push(`${response.status()} for ${response.url()}`);
  });
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !expected.some((pattern) => pattern.test(text))) faults.push(`console: ${text}`);
  });
  page.on('pageerror', (error) => faults.push(`uncaught: ${error.message}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto(address);
  return { page, faults };
}

/** The page's worker. Tests reach into it only to break things that cannot be broken from outside. */
export function workerOf(page) {
  const worker = page.workers().findLast((one) => !one.url().includes('/draw-'));
  if (!worker) throw new Error('the page has no worker');
  return worker;
}
