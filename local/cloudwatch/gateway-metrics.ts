import type { Resource } from '../assembly/resource.ts';
import type { MetricSink, Unit } from './metric.ts';

const inMilliseconds: ReadonlySet<string> = new Set(['IntegrationLatency', 'Latency']);

/**
 * Publishes what an API of the template counts ("WebSocket API metrics", "HTTP API metrics"), by API and stage. Where an
 * API has several stages, which one it was is not told here.
 */
export function gatewayMetrics(
  resources: readonly Resource[],
  protocol: 'WEBSOCKET' | 'HTTP',
  sink: MetricSink,
): (name: string, value: number) => void {
  const api = resources.find(
    ({ type, properties }) => type === 'AWS::ApiGatewayV2::Api' && properties.ProtocolType === protocol,
  );
  const stages = resources.filter(
    ({ type, properties }) => type === 'AWS::ApiGatewayV2::Stage' && properties.ApiId === api?.physicalId,
  );
  const [stage, ...others] = stages;
  if (!api || !stage) return () => {};
  const dimensions = { ApiId: api.physicalId, ...(others.length === 0 && { Stage: stage.physicalId }) };
  return (name, value) => {
    const unit: Unit = inMilliseconds.has(name) ? 'Milliseconds' : 'Count';
    sink.put('AWS/ApiGateway', name, dimensions, value, unit);
  };
}
