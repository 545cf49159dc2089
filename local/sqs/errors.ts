import { AwsError } from '../aws/service.ts';

export const invalidParameterValue = (message: string): AwsError => new AwsError('InvalidParameterValue', message);

export const missingParameter = (name: string): AwsError =>
  new AwsError('MissingParameter', `The request must contain the parameter ${name}.`);

export const unsupportedOperation = (message: string): AwsError => new AwsError('UnsupportedOperation', message);

export const queueDoesNotExist = (): AwsError =>
  new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');

export const receiptHandleIsInvalid = (handle: string): AwsError =>
  new AwsError('ReceiptHandleIsInvalid', `The input receipt handle "${handle}" is not a valid receipt handle.`);

/** What a FIFO queue answers once the visibility timeout of that receive ran out. */
export const receiptHandleExpired = (handle: string): AwsError =>
  invalidParameterValue(
    `Value ${handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
  );

export const messageNotInFlight = (handle: string): AwsError =>
  new AwsError(
    'MessageNotInflight',
    `Value ${handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
  );
