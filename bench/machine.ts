import { readFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { performance } from 'node:perf_hooks';

/** What Linux counts CPU time in ("proc_stat(5)", "proc_pid_stat(5)"): ticks of 10 ms. */
const ticksPerSecond = 100;

/** CPU seconds that a process has used ("proc_pid_stat(5)": fields 14 and 15). */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** CPU seconds that all processes have used ("proc_stat(5)": user, nice, system, idle, iowait, irq, softirq, steal). */
async function busySeconds(): Promise<number> {
  const stat = await readFile('/proc/stat', 'utf8');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (stat.split('\n', 1)[0] as string)
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
}

/** Who kept the machine busy, in cores on average. */
export interface Load {
  readonly service: number;
  /** This process, with all its clients. */
  readonly clients: number;
  /** Everybody else on the machine: figures mean little where it is much. */
  readonly others: number;
  /** Processes that run or wait, averaged over the last minute. */
  readonly loadAverage: number;
}

/** Watches from now on, on Linux. @param pid of the service */
export async function watchLoad(pid: number): Promise<() => Promise<Load>> {
  const began = performance.now();
  const own = process.cpuUsage();
  const [service, machine] = await Promise.all([cpuSeconds(pid), busySeconds()]);
  return async () => {
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(own);
    const clients = (user + system) / 1e6 / seconds;
    const ofService = ((await cpuSeconds(pid)) - service) / seconds;
    const all = ((await busySeconds()) - machine) / seconds;
    return {
      service: ofService,
      clients,
      others: Math.max(0, all - ofService - clients),
      loadAverage: loadavg()[0] ?? 0,
    };
  };
}

/** `2 cores (AMD EPYC), 23 GB, Node 24.21.0` */
export const machine = (): string =>
  `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}`;

/** Cores that others may use before they change what is measured. */
const quietCores = 0.25;

export const describeLoad = ({ service, clients, others, loadAverage }: Load): string =>
  `CPU: service ${service.toFixed(2)}, clients ${clients.toFixed(2)}, others ${others.toFixed(2)} of ${cpus().length} cores; load average ${loadAverage.toFixed(1)}` +
  (others > quietCores ? '; others use the machine: measure again when it is quiet' : '');
