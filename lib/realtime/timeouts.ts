import { Duration } from 'aws-cdk-lib';

/** API Gateway gives up on an integration after 29 s; a client has given up long before. */
export const frameTimeout = Duration.seconds(10);
/** Long enough for a batch to a large channel at the gateway's quota; the queue holds the rest of the channel meanwhile. */
export const fanOutTimeout = Duration.seconds(60);
