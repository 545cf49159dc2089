import { createFaultCommand } from './command.ts';
import { connectToFaults } from './control-client.ts';
import { FaultError } from './fault-error.ts';

try {
  await createFaultCommand({ connect: connectToFaults, print: console.log }).parseAsync();
} catch (error) {
  console.error(error instanceof FaultError ? error.message : error);
  process.exitCode = 1;
}
