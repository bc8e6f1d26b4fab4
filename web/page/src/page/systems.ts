/** The systems of the paper, as the module's registry of methods lists them. */
import systems from 'virtual:systems';

/** Those trained by SGD first. */
export const SYSTEMS = [...systems].reverse().sort((a, b) => Number(a.name.endsWith('-lars')) - Number(b.name.endsWith('-lars')));

export const system = (name: string): (typeof SYSTEMS)[number] | undefined => SYSTEMS.find((system) => system.name === name);

export const systemName = (name: string): string => system(name)?.label ?? name;
/** Whether training sees the labels. */
export const supervised = (name: string): boolean => system(name)?.supervised ?? false;
