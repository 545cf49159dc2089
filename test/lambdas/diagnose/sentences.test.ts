import type { Finding } from '../../../lambdas/diagnose/checks.ts';
import { sentences } from '../../../lambdas/diagnose/sentences.ts';
import { defaultControl } from '../../../lambdas/shared/control.ts';

const found = <T>(value: T, tookMs = 20): Finding<T> => ({ ok: true, tookMs, found: value });
const missing = (problem: string): Finding<never> => ({ ok: false, tookMs: 1_000, problem });

const diagnosis: Parameters<typeof sentences>[0] = {
  control: found(defaultControl),
  figures: missing('no answer within 1000 ms'),
  clients: found({ connections: 1, silent: 0, versions: [] }),
  release: found({ ageMinutes: 12, functions: ['one'] }),
  keys: found(2),
  token: found('A token of the probe verifies.'),
  store: { a: found(undefined, 30), b: found(undefined, 50) },
  queues: { first: found({ waiting: 3 }), second: missing('denied') },
};

test('what is wrong comes first, and all that answers is one sentence', () => {
  const said = sentences(diagnosis);
  expect(said.slice(0, 3)).toEqual([
    'CloudWatch did not answer as it should: no answer within 1000 ms.',
    'The last deployment was 12 min ago and changed 1 function.',
    'The queue second did not answer as it should: denied.',
  ]);
  expect(said).toContain('All tables answer within 50 ms.');
  expect(said).toContain('1 of 2 queues answer within 20 ms; 3 messages wait in them.');
  expect(said).toContain('1 connection is registered, 0 of them silent.');
});

test('tables of which none answers are named one by one', () => {
  const said = sentences({ ...diagnosis, store: { a: missing('down'), b: missing('down') } }).join(' ');
  expect(said).toMatch(/The table a did not answer .* The table b did not answer/);
  expect(said).not.toMatch(/tables answer/);
});

test('what is changed for now is told by its names, since everything else may come from it', () => {
  const control = found({
    ...defaultControl,
    ...{ generation: 3, baselineFrozen: true, presence: 'degraded' as const, throttleMs: 250, flush: { until: 5 } },
  });
  const clients = found({ connections: 70, versions: [] });
  const said = sentences({ ...diagnosis, control, clients });
  expect(said.slice(0, 2)).toContain(
    'Changed in the control record: throttleMs 250, presence degraded, flush {"until":5}.',
  );
  expect(said).toContain('70 connections are registered; who of them is silent cannot be told now.');
  expect(sentences(diagnosis)).toContain('Nothing is changed in the control record.');
});
