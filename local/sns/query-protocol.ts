import { randomUUID } from 'node:crypto';
import { AwsError, type AwsReply } from '../aws/service.ts';
import type { TopicMessageAttributes } from './filter-policy.ts';

const xmlEscapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string): string => text.replace(/[&<>"]/g, character => xmlEscapes[character] ?? character);
const namespace = 'http://sns.amazonaws.com/doc/2010-03-31/';

/** @throws AwsError `InvalidParameter` for a binary attribute, which is not run. */
export function messageAttributes(form: URLSearchParams): TopicMessageAttributes {
  const attributes: Record<string, { Type: string; Value: string }> = {};
  for (let index = 1; form.has(`MessageAttributes.entry.${index}.Name`); index++) {
    const prefix = `MessageAttributes.entry.${index}`;
    const name = form.get(`${prefix}.Name`) ?? '';
    const value = form.get(`${prefix}.Value.StringValue`);
    if (value === null)
      throw new AwsError(
        'InvalidParameter',
        `The local environment runs string message attributes only, not '${name}'`,
      );
    attributes[name] = { Type: form.get(`${prefix}.Value.DataType`) ?? 'String', Value: value };
  }
  return attributes;
}

export function publishReply(messageId: string): AwsReply {
  return {
    status: 200,
    headers: { 'content-type': 'text/xml' },
    body: `<PublishResponse xmlns="${namespace}"><PublishResult><MessageId>${messageId}</MessageId></PublishResult><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></PublishResponse>`,
  };
}

/** SNS speaks the query protocol: its SDKs expect errors in XML, not as the endpoint writes them. */
export function errorReply({ code, message, status }: AwsError): AwsReply {
  // In this protocol the code of a denial is AuthorizationError: "Publish" in the SNS API reference.
  const name = code === 'AccessDeniedException' ? 'AuthorizationError' : code;
  return {
    status: name === 'AuthorizationError' ? 403 : status,
    headers: { 'content-type': 'text/xml' },
    body: `<ErrorResponse xmlns="${namespace}"><Error><Type>${status < 500 ? 'Sender' : 'Receiver'}</Type><Code>${escapeXml(name)}</Code><Message>${escapeXml(message)}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
  };
}
