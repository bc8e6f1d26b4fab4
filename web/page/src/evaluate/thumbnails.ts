/** Small pictures, drawn with their own pixels. */
import type { HeldOut, Pixels } from 'parallax-web';
import { make } from '../page/dom';

function paint(canvas: HTMLCanvasElement, width: number, height: number, rgba: Uint8Array): void {
  canvas.width = width;
  canvas.height = height;
  canvas.classList.toggle('pixels', Math.max(width, height) <= 96);
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
}

/** Draws a held-out picture. */
export function drawHeldOut(canvas: HTMLCanvasElement, { side, rgba }: HeldOut, index: number): void {
  const bytes = 4 * side * side;
  paint(canvas, side, side, rgba.subarray(bytes * index, bytes * (index + 1)));
}

export function picture({ width, height, rgba }: Pixels, alt: string): HTMLCanvasElement {
  const canvas = make('canvas', { role: 'img', 'aria-label': alt });
  paint(canvas, width, height, rgba);
  return canvas;
}

/** The name of a picture's class. */
export const className = (heldOut: HeldOut, label: number): string => heldOut.classes[label] || 'no class';
