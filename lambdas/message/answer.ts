import type { Callback } from '../shared/callback.ts';
import type { ControlReader } from '../shared/control.ts';
import type { HeartbeatRule } from '../shared/liveness.ts';
import { isOver, isSilent, silenceLimitMs } from '../shared/liveness.ts';
import type { MessageLog } from '../shared/message-log.ts';
import { framesOf, postInOrder } from '../shared/posting.ts';
import type { Presence } from '../shared/presence.ts';
import {
  type ClientFrame,
  decodeFrame,
  errorFrame,
  type FrameReference,
  FrameRefusal,
  type Member,
  maxFrameBytes,
  Refusal,
  type Reply,
  referenceIn,
  referenceOf,
  type ServerFrame,
} from '../shared/protocol.ts';
import { type PublicationQueue, type PublishLimits, publish } from '../shared/publication.ts';
import { mayRead, mayWrite } from '../shared/rights.ts';
import type { Session } from '../shared/session.ts';
import { isCounter, shardFilled, shardFor } from '../shared/shards.ts';
import type { Throttle } from '../shared/throttle.ts';
import type { UnwrittenBeats } from '../shared/unwritten-beats.ts';
import type { FrameVerdict } from './frame-rate.ts';
import { resume, resumeLatest } from './resume.ts';

export interface Sender {
  readonly connectionId: string;
  readonly session: Session;
}

export interface MessageDependencies {
  readonly presence: Pick<Presence, 'connections' | 'subscriptions'>;
  readonly log: Pick<MessageLog, 'head' | 'from' | 'last' | 'between' | 'moveHead' | 'markShard' | 'raiseShards'>;
  readonly queue: PublicationQueue;
  readonly callback: Callback;
  readonly rate: (connectionId: string, now: number) => FrameVerdict | Promise<FrameVerdict>;
  readonly now: () => number;
  readonly limits: PublishLimits & { readonly maxChannelsPerConnection: number };
  readonly heartbeat: HeartbeatRule;
  /** Subscribers that a shard should have at most. */
  readonly shardSize: number;
  readonly control: ControlReader;
  readonly throttle: Throttle;
  /** Notes that a heartbeat of now is not written; false where that is not possible. */
  readonly noteBeat: (now: number) => Promise<boolean>;
  readonly unwritten: Pick<UnwrittenBeats, 'until'>;
  /** Called once for each refusal, with nothing secret in it. */
  readonly refused: (sender: Sender, refusal: Refusal, cause?: unknown) => void;
}

/** Members that one presence reply carries at most: 300 of the longest names and versions in ASCII make 114 KB. */
const maxMembers = 300;
/** What is left to the members of a reply, whose names may take several bytes a character, beside its other fields. */
const maxMembersBytes = maxFrameBytes - 2 * 1024;

/** As many of the first members as a reply can carry. */
function fitting(members: readonly Member[]): readonly Member[] {
  let bytes = 0;
  const tooMany = members.findIndex(member => {
    bytes += Buffer.byteLength(JSON.stringify(member)) + 1;
    return bytes > maxMembersBytes;
  });
  return tooMany < 0 ? members : members.slice(0, tooMany);
}

/** A degraded presence is an operator's decision, of minutes at least. */
const degradedRetryMs = 60_000;

const notKnown = (retryAfterMs: number) =>
  new Refusal('presence_degraded', 'who is there is not known for now', retryAfterMs);

const gone = () => new Refusal('connection_gone', 'this connection is not registered any more, connect again');

async function subscribe(sender: Sender, frame: Extract<ClientFrame, { action: 'subscribe' }>, d: MessageDependencies) {
  const { connectionId } = sender;
  const { channel, since, latest } = frame;
  if (!mayRead(sender.session.rights, channel))
    throw new Refusal('forbidden_channel', 'the token does not allow reading it');
  const { connections, subscriptions } = d.presence;
  // Strongly consistent: fan-out reads as many shards as the head says, so none is written before the head knows it.
  const given = shardFor(connectionId, await d.log.head(channel));
  const { maxChannelsPerConnection } = d.limits;
  const added = await connections.addChannel(connectionId, channel, given, maxChannelsPerConnection);
  if (added === 'gone') throw gone();
  if (added === 'full') {
    throw new Refusal('too_many_channels', `a connection has at most ${maxChannelsPerConnection} channels`);
  }
  const { shard } = added;
  await subscriptions.add(channel, shard, connectionId, d.now());
  if (isCounter(connectionId) && (await subscriptions.count(channel, shard, d.shardSize)) >= d.shardSize)
    await shardFilled(channel, shard, (await d.control.read()).shards ?? 1, d.log);
  const { messages, cursor, recovered, more } = await (latest ? resumeLatest : resume)(channel, since, d.log);
  // Before the answer, so that the client knows with it that it has them all.
  const posted = await postInOrder(connectionId, framesOf(messages, { replay: true }), d.callback);
  if (posted === 'gone') throw gone();
  if (posted !== 'delivered') {
    throw Object.assign(new Refusal('unavailable', 'the replay was not delivered, subscribe again', 1_000), {
      cause: new Error(posted.detail),
    });
  }
  return { type: 'subscribed', channel, cursor, recovered, ...(more && { more: true as const }) } as const;
}

async function unsubscribe(sender: Sender, channel: string, { presence }: MessageDependencies) {
  const shard = await presence.connections.removeChannel(sender.connectionId, channel);
  if (shard !== undefined) await presence.subscriptions.remove(channel, shard, sender.connectionId);
  return { type: 'unsubscribed', channel } as const;
}

async function present(sender: Sender, channel: string, d: MessageDependencies) {
  if (!mayRead(sender.session.rights, channel))
    throw new Refusal('forbidden_channel', 'the token does not allow reading it');
  // Not an empty list, which would say that nobody is there.
  if ((await d.control.read()).presence === 'degraded') throw notKnown(degradedRetryMs);
  const [{ shardCount }, unwrittenUntil] = await Promise.all([d.log.head(channel), d.unwritten.until()]);
  // Those whose heartbeats were not written look silent until this is over, and would be left out.
  const waitMs = unwrittenUntil + silenceLimitMs(d.heartbeat) - d.now();
  if (waitMs > 0) throw notKnown(waitMs);
  const shards = await Promise.all(
    Array.from({ length: shardCount }, (_, shard) =>
      d.presence.subscriptions.subscribers(channel, shard, maxMembers + 1),
    ),
  );
  const connectionIds = shards.flat();
  const now = d.now();
  const connections = await d.presence.connections.get(connectionIds.slice(0, maxMembers));
  const members = connections
    .filter(connection => !isSilent(connection, d.heartbeat, now) && !isOver(connection, now))
    .map(
      ({ user, connectedAt, clientVersion }): Member => ({
        connectedAt,
        ...(user !== undefined && { user }),
        ...(clientVersion !== undefined && { clientVersion }),
      }),
    )
    .sort((a, b) => a.connectedAt - b.connectedAt);
  const told = fitting(members);
  const more = connectionIds.length > maxMembers || told.length < members.length;
  return { type: 'presence', channel, members: told, ...(more && { more: true as const }) } as const;
}

async function beat({ connectionId }: Sender, { presence, now, heartbeat, control, noteBeat }: MessageDependencies) {
  // It is not written, and nobody is judged by what is not.
  if ((await control.read()).presence === 'degraded' && (await noteBeat(now()))) return { type: 'heartbeat' } as const;
  const beaten = await presence.connections.beat(connectionId, now(), heartbeat.intervalMs / 2);
  if (beaten.beat === 'gone') throw gone();
  // One at a time: an answer is one frame. It is told until the client has subscribed again.
  const [channel] = beaten.resync;
  return channel === undefined ? ({ type: 'heartbeat' } as const) : ({ type: 'resync', channel } as const);
}

async function publishFrom(sender: Sender, frame: Extract<ClientFrame, { action: 'publish' }>, d: MessageDependencies) {
  if (!mayWrite(sender.session.rights, frame.channel)) {
    throw new Refusal('forbidden_channel', 'the token does not allow writing it');
  }
  const publisher = sender.session.user ?? sender.connectionId;
  // Parts are one message: the first one took its turn.
  if (!frame.part?.offset) await d.throttle.admit(publisher, frame.channel, d.now());
  const { cursor } = await publish(publisher, frame, d.now(), d.limits, d.queue);
  return { type: 'accepted', id: frame.id, cursor } as const;
}

function perform(sender: Sender, frame: ClientFrame, d: MessageDependencies): Reply | Promise<Reply> {
  if ('type' in frame) return { type: 'pong' };
  switch (frame.action) {
    case 'subscribe':
      return subscribe(sender, frame, d);
    case 'unsubscribe':
      return unsubscribe(sender, frame.channel, d);
    case 'publish':
      return publishFrom(sender, frame, d);
    case 'heartbeat':
      return beat(sender, d);
    case 'presence':
      return present(sender, frame.channel, d);
  }
}

/** Answers one frame of a client. Every frame is answered; nothing that a client sends makes this throw. */
export async function answer(sender: Sender, text: string, d: MessageDependencies): Promise<ServerFrame> {
  const now = d.now();
  let reference: FrameReference = {};
  try {
    const verdict = await d.rate(sender.connectionId, now);
    if (verdict === 'flooding') {
      await d.presence.connections.markEnding(sender.connectionId, { reason: 'server', at: now });
      await d.callback.close(sender.connectionId);
    }
    if (verdict !== 'taken') {
      reference = referenceIn(text);
      throw new Refusal('rate_limited', 'too many frames a second', 1_000);
    }
    const frame = decodeFrame(text);
    reference = referenceOf(frame);
    const { tokenExpiresAt } = sender.session;
    if (tokenExpiresAt !== undefined && tokenExpiresAt <= now) {
      throw new Refusal('token_expired', 'the token has expired, connect again with a new one');
    }
    const reply = await perform(sender, frame, d);
    return reference.request === undefined || reply.type === 'pong' ? reply : { ...reply, request: reference.request };
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal('internal', 'the frame could not be handled', 1_000);
    d.refused(sender, refusal, error instanceof Refusal ? error.cause : error);
    return errorFrame(refusal, error instanceof FrameRefusal ? error.reference : reference);
  }
}
