import type { Log } from './aws/service.ts';

/** Prints what someone at the terminal should see: one line each, with its fields as JSON. */
export const terminalLog =
  (write: (line: string) => void): Log =>
  (level, component, message, fields = {}) => {
    if (level === 'debug') return;
    const time = new Date().toISOString().slice(11, 23);
    const details = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : '';
    write(`${time} ${level.toUpperCase().padEnd(5)} ${component}: ${message}${details}\n`);
  };
