import { DescribeExecutionCommand, ExecutionDoesNotExist, type SFNClient } from '@aws-sdk/client-sfn';

/** Tells whether the execution that holds something still runs. */
export type IsRunning = (executionArn: string) => Promise<boolean>;

/** An execution that is not known any more (after 90 days) does not run. */
export const isRunning =
  (client: SFNClient): IsRunning =>
  async executionArn => {
    try {
      const { status } = await client.send(new DescribeExecutionCommand({ executionArn }));
      return status === 'RUNNING';
    } catch (error) {
      if (error instanceof ExecutionDoesNotExist) return false;
      throw error;
    }
  };
