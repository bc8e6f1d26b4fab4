/** Graphics devices as tests need them: reached from outside, and adapters that are not what they were. */
import { workerOf } from './browser.mjs';

/** Puts code before the first line of every worker. */
export async function patched(context, code) {
  await context.route('**/worker-*.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: `${code}\n${await answer.text()}` });
  });
}

/** Gives `loseDevices` access to the devices that workers open. */
export const reachDevices = (context) =>
  patched(
    context,
    `{
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...wanted) {
    const device = await request.apply(this, wanted);
    (self.devices ??= []).push(device);
    return device;
  };
}`,
  );

/** Destroys the worker's devices, as a driver that is reset does. */
export const loseDevices = (page) => workerOf(page).evaluate(() => self.devices.forEach((device) => device.destroy()));
