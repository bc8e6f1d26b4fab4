/** Small helpers for elements. Text is always set as text, never as markup. */

type Kind<T> = new () => T;

export function byId(id: string): HTMLElement;
export function byId<T extends HTMLElement>(id: string, kind: Kind<T>): T;
export function byId(id: string, kind: Kind<HTMLElement> = HTMLElement): HTMLElement {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page lacks #${id}`);
  return found;
}

type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function button(text: string, press: () => void, label = ''): HTMLButtonElement {
  const made = make('button', { type: 'button', ...(label ? { 'aria-label': label } : {}) }, text);
  made.addEventListener('click', press);
  return made;
}

/** A colour of the style sheet, for drawing on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export const calm = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Calls back when the colour scheme changes between light and dark. */
export function onScheme(change: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', change);
}

export function download(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  make('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
