import { Notices } from '../../client/notices.ts';
import { TestClock } from './test-clock.ts';

function setUp() {
  const clock = new TestClock(() => 0.5);
  const done: string[] = [];
  const notices = new Notices<string>(clock, 30_000, {
    replace: source => done.push(source),
    leave: source => done.push(`${source} left`),
    refresh: () => done.push('refresh'),
  });
  return { clock, done, notices };
}

it.each(['reconnect', 'server_shutdown', 'refresh'])('spreads %s over the time that it gives', async notice => {
  const { clock, done, notices } = setUp();
  notices.received(notice, 60_000, 'a');
  await clock.advance(29_999);
  expect(done).toEqual([]);
  await clock.advance(1);
  expect(done).toEqual([{ reconnect: 'a', server_shutdown: 'a left', refresh: 'refresh' }[notice]]);
});

it('takes a time of its own where none is given, and one notice of a kind at a time', async () => {
  const { clock, done, notices } = setUp();
  for (const notice of ['reconnect', 'reconnect', 'refresh', 'refresh', 'of-the-future']) {
    notices.received(notice, undefined, 'a');
  }
  await clock.advance(15_000);
  expect(done).toEqual(['a', 'refresh']);
  notices.received('reconnect', undefined, 'a');
  await clock.advance(15_000);
  expect(done).toEqual(['a', 'refresh', 'a']);
});

it('does not replace what is gone meanwhile, and leaves no timer', async () => {
  const { clock, done, notices } = setUp();
  notices.received('reconnect', undefined, 'a');
  notices.received('refresh', undefined, 'a');
  notices.discarded('a');
  notices.close();
  expect(clock.timers).toBe(0);
  await clock.advance(60_000);
  expect(done).toEqual([]);
});
