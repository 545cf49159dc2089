import { Logger } from '@aws-lambda-powertools/logger';

/** Structured logs; `POWERTOOLS_SERVICE_NAME` and `POWERTOOLS_LOG_LEVEL` come from the function's environment. */
export const logger = new Logger();
