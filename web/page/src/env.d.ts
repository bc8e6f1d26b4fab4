declare module '*.css';
declare module '*?url' {
  const url: string;
  export default url;
}
declare module 'virtual:systems' {
  const systems: import('parallax-web').System[];
  export default systems;
}
declare module 'virtual:sample' {
  export const trainSprite: string;
  export const trainLabels: string;
  export const testSprite: string;
  export const testLabels: string;
}
interface ImportMeta {
  readonly env: { readonly PROD: boolean };
}
