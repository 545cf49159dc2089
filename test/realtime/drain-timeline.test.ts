import { drainTimeline } from '../../lib/realtime/drain-timeline.ts';

test('with a window of 30 s the steps are those of the shutdown sequence of chat-backend', () => {
  expect(drainTimeline(30)).toEqual({ flag: 2, admissionClosed: 10, notice: 12, leftovers: 42, done: 45 });
});
