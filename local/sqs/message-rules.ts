import { AwsError } from '../aws/service.ts';
import { invalidParameterValue, missingParameter } from './errors.ts';
import { type MessageAttribute, type MessageAttributes, messageBytes } from './message.ts';

/** What a sender asks for; optional members as in the API's SendMessage. */
export interface SendRequest {
  readonly body: string;
  readonly attributes?: MessageAttributes | undefined;
  readonly groupId?: string | undefined;
  readonly deduplicationId?: string | undefined;
  /** Seconds; standard queues only. */
  readonly delaySeconds?: number | undefined;
  readonly traceHeader?: string | undefined;
  readonly senderId: string;
}

export interface SendRules {
  readonly fifo: boolean;
  readonly contentBasedDeduplication: boolean;
  readonly maxMessageBytes: number;
}

// "Amazon SQS message quotas": the characters that a message may hold.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
const forbiddenCharacter = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
// Same page: MessageGroupId and MessageDeduplicationId.
const idPattern = /^[!-~]{1,128}$/;
const attributeName = /^(?!aws\.|amazon\.)(?!\.)(?!.*\.\.)[\w.-]{1,256}(?<!\.)$/i;
const attributeType = /^(String|Number|Binary)(\..+)?$/;
const maxAttributes = 10;

const isAllowedText = (text: string): boolean => text.isWellFormed() && !forbiddenCharacter.test(text);

function checkAttribute(name: string, attribute: MessageAttribute): void {
  if (!attributeName.test(name)) throw invalidParameterValue(`The message attribute name '${name}' is invalid.`);
  const { DataType, StringValue, BinaryValue } = attribute;
  if (!attributeType.test(DataType) || DataType.length > 256)
    throw invalidParameterValue(
      `The type of message attribute '${name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String.`,
    );
  const value = DataType.startsWith('Binary') ? BinaryValue : StringValue;
  if (value === undefined || value === '')
    throw invalidParameterValue(`The message attribute '${name}' must contain a non-empty message attribute value.`);
  if (StringValue !== undefined && !isAllowedText(StringValue))
    throw invalidParameterValue(`The message attribute '${name}' holds a character that is not allowed.`);
  if (DataType.startsWith('Number') && !Number.isFinite(Number(StringValue)))
    throw invalidParameterValue(`Could not cast message attribute '${name}' value to number.`);
}

/** @throws AwsError as SQS refuses a message; nothing has changed then. */
export function checkSend(request: SendRequest, rules: SendRules): void {
  const { body, attributes = {}, groupId, deduplicationId, delaySeconds } = request;
  if (body.length === 0) throw missingParameter('MessageBody');
  if (!isAllowedText(body))
    throw new AwsError('InvalidMessageContents', 'The message contains characters outside the allowed set.');
  const names = Object.keys(attributes);
  if (names.length > maxAttributes)
    throw invalidParameterValue(
      `Number of message attributes [${names.length}] exceeds the allowed maximum [${maxAttributes}].`,
    );
  for (const [name, attribute] of Object.entries(attributes)) checkAttribute(name, attribute);
  if (messageBytes(body, attributes) > rules.maxMessageBytes)
    throw invalidParameterValue(
      `One or more parameters are invalid. Reason: Message must be shorter than ${rules.maxMessageBytes} bytes.`,
    );
  if (delaySeconds !== undefined && !(Number.isInteger(delaySeconds) && delaySeconds >= 0 && delaySeconds <= 900))
    throw invalidParameterValue(
      `Value ${delaySeconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.`,
    );
  for (const [parameter, id] of [
    ['MessageGroupId', groupId],
    ['MessageDeduplicationId', deduplicationId],
  ] as const)
    if (id !== undefined && !idPattern.test(id))
      throw invalidParameterValue(
        `Value ${id} for parameter ${parameter} is invalid. Reason: ${parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
      );
  if (rules.fifo) {
    if (groupId === undefined) throw missingParameter('MessageGroupId');
    if (deduplicationId === undefined && !rules.contentBasedDeduplication)
      throw invalidParameterValue(
        'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
      );
    if (delaySeconds !== undefined && delaySeconds > 0)
      throw invalidParameterValue(
        `Value ${delaySeconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
      );
  } else if (deduplicationId !== undefined)
    throw invalidParameterValue(
      `Value ${deduplicationId} for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.`,
    );
}
