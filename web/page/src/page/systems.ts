/** The systems of the paper, as the module's registry of methods lists them. */
import systems from 'virtual:systems';

/** Those trained by SGD first. */
export const SYSTEMS = [...systems].reverse().sort((a, b) => Number(a.name.endsWith('-lars')) - Number(b.name.endsWith('-lars')));

const find = (name: string): (typeof SYSTEMS)[number] | undefined => SYSTEMS.find((system) => system.name === name);

export const systemName = (name: string): string => find(name)?.label ?? name;
/** Whether training sees the labels. */
export const supervised = (name: string): boolean => find(name)?.supervised ?? false;
