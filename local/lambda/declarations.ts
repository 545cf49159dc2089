import { z } from 'zod';

const tags = z.array(z.object({ Key: z.string(), Value: z.string() })).optional();

/** What is honoured of `AWS::Lambda::Function`; a property that is not listed here is refused rather than ignored. */
export const functionProperties = z.strictObject({
  FunctionName: z.string().optional(),
  Code: z.strictObject({ S3Bucket: z.string(), S3Key: z.string() }),
  Handler: z.string().regex(/^[\w./-]+\.\w+$/),
  Runtime: z.literal('nodejs24.x'),
  Role: z.string(),
  Timeout: z.number().int().min(1).max(900).default(3),
  MemorySize: z.number().int().min(128).max(10_240).default(128),
  ReservedConcurrentExecutions: z.number().int().min(0).optional(),
  Environment: z
    .strictObject({
      // "Lambda quotas": 4 KB for all environment variables of a function.
      Variables: z
        .record(z.string(), z.string())
        .refine(variables => Buffer.byteLength(JSON.stringify(variables)) <= 4096, 'more than 4 KB')
        .default({}),
    })
    .optional(),
  // Without effect here: every architecture runs the same bundle, and logs go to files.
  Architectures: z.array(z.enum(['arm64', 'x86_64'])).optional(),
  Description: z.string().max(256).optional(),
  LoggingConfig: z.strictObject({ LogGroup: z.string(), LogFormat: z.enum(['JSON', 'Text']).optional() }).optional(),
  Tags: tags,
});

export const versionProperties = z.strictObject({
  FunctionName: z.string(),
  Description: z.string().max(256).optional(),
  // Checked by CloudFormation when it publishes; here the bundle is the version's.
  CodeSha256: z.string().optional(),
});

export const aliasProperties = z.strictObject({
  FunctionName: z.string(),
  // "CreateAlias": not a number, which would be a version.
  Name: z.string().regex(/^(?!\d+$)[\w-]{1,128}$/),
  FunctionVersion: z.string(),
  Description: z.string().max(256).optional(),
});

export const permissionProperties = z.strictObject({
  Action: z.string(),
  FunctionName: z.string(),
  Principal: z.string(),
  SourceArn: z.string().optional(),
  SourceAccount: z.string().optional(),
});

export const invokeConfigProperties = z.strictObject({
  FunctionName: z.string(),
  /** A version, an alias, or `$LATEST`. */
  Qualifier: z.string().min(1),
  MaximumEventAgeInSeconds: z.number().int().min(60).max(21_600).default(21_600),
  MaximumRetryAttempts: z.number().int().min(0).max(2).default(2),
});
