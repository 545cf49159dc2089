import { createHash, randomInt, randomUUID } from 'node:crypto';
import { AwsError } from '../aws/service.ts';
import type { Clock } from '../clock.ts';
import { pause } from '../faults/interrupt.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import { DueHeap } from './due-heap.ts';
import { invalidParameterValue, messageNotInFlight, receiptHandleExpired, receiptHandleIsInvalid } from './errors.ts';
import { type Link, LinkedList } from './linked-list.ts';
import { type MessageAttributes, md5Hex, md5OfAttributes, type StoredMessage } from './message.ts';
import { checkSend, type SendRequest } from './message-rules.ts';
import type { MessageStore } from './message-store.ts';
import { type CountedAction, FifoThroughput } from './throughput.ts';

export interface QueueSettings {
  readonly arn: string;
  readonly fifo: boolean;
  readonly contentBasedDeduplication: boolean;
  readonly deduplicationScope: 'queue' | 'messageGroup';
  /** FIFO with `FifoThroughputLimit: perMessageGroupId`: the region's quota, in calls per second and action. */
  readonly highThroughputCallsPerSecond: number | undefined;
  readonly delaySeconds: number;
  readonly maxMessageBytes: number;
  readonly retentionSeconds: number;
  readonly receiveWaitSeconds: number;
  readonly visibilityTimeoutSeconds: number;
  /**
   * How many of the oldest messages a FIFO queue looks at for groups to hand out, and how many a queue of either kind
   * has in flight at most: 120,000 ("Amazon SQS FIFO queue quotas", "Amazon SQS standard queue quotas").
   */
  readonly maxInFlight?: number;
}

export interface SendResult {
  readonly messageId: string;
  readonly md5OfBody: string;
  readonly md5OfAttributes: string | undefined;
  /** FIFO only. */
  readonly sequenceNumber: string | undefined;
}

export interface ReceiveRequest {
  /** 1 to 10. */
  readonly max?: number;
  readonly visibilityTimeoutSeconds?: number | undefined;
  /** 0 to 20. */
  readonly waitSeconds?: number | undefined;
  /** Stops at the message that would bring the bodies over this size, but hands out one at least. */
  readonly maxBytes?: number;
  /** Ends the wait with no message. */
  readonly signal?: AbortSignal;
}

export interface ReceivedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5OfBody: string;
  readonly messageAttributes: MessageAttributes;
  readonly md5OfMessageAttributes: string | undefined;
  /** By the API's names, e.g. `ApproximateReceiveCount`. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface QueueMetrics {
  /** Available, or behind messages of their group that are in flight. */
  readonly visible: number;
  readonly notVisible: number;
  readonly delayed: number;
  /** 0 for an empty queue. */
  readonly oldestAgeSeconds: number;
  /** Messages since the start. */
  readonly sent: number;
  readonly received: number;
  readonly deleted: number;
}

/** A dead-letter queue and after how many receives a message goes there. */
export interface Redrive {
  readonly target: Queue;
  readonly maxReceiveCount: number;
}

/** Lets a due time forget its message, so that a deleted one does not stay in memory until then. */
interface DueTicket {
  entry: Entry | undefined;
}

/** A message's places in the structures in memory. */
class Entry {
  readonly message: StoredMessage;
  readonly arrival: Link<Entry>;
  /** Its place among the messages that may be handed out: of the queue if standard, of its group if FIFO. */
  lane: Link<Entry> | undefined;
  /** FIFO: the group, once the message is among those that the queue looks at. */
  group: Group | undefined;
  state: 'visible' | 'delayed' | 'inFlight' = 'visible';
  due: DueTicket | undefined;

  constructor(message: StoredMessage, arrivals: LinkedList<Entry>) {
    this.message = message;
    this.arrival = arrivals.append(this);
  }
}

interface Group {
  readonly id: string;
  readonly entries: LinkedList<Entry>;
  inFlight: number;
  ready: Link<Group> | undefined;
}

interface Waiter {
  readonly request: ReceiveRequest;
  readonly answer: (messages: ReceivedMessage[]) => void;
}

/** "Exactly-once processing in Amazon SQS": ids are remembered for 5 minutes from the first message. */
const deduplicationMs = 300_000;
/** "PurgeQueue" in the API reference. */
const purgeIntervalMs = 60_000;
/** "ChangeMessageVisibility": 12 hours in all, from the receive on. */
const maxVisibilityMs = 43_200_000;
const defaultMaxInFlight = 120_000;
const handlePattern = /^(\d{20})\.([0-9a-f-]{36})$/;

/**
 * One queue with the semantics that SQS documents, synchronous but for the wait of a receive. Every change is written
 * through to the store before it is answered.
 */
export class Queue {
  readonly settings: QueueSettings;
  /** Set once all queues exist. */
  redrive: Redrive | undefined;

  readonly #store: MessageStore;
  readonly #clock: Clock;
  readonly #faults: FaultSource;
  /** For faults: its name. */
  readonly #subject: () => { readonly queue: string };
  readonly #throughput: FifoThroughput | undefined;
  readonly #maxInFlight: number;
  readonly #arrivals = new LinkedList<Entry>();
  readonly #bySequence = new Map<string, Entry>();
  readonly #due = new DueHeap<DueTicket>();
  /** Standard: what can be handed out. */
  readonly #ready = new LinkedList<Entry>();
  /** FIFO: groups of which something can be handed out. */
  readonly #readyGroups = new LinkedList<Group>();
  readonly #groups = new Map<string, Group>();
  readonly #deduplications = new Map<string, number>();
  readonly #waiters = new LinkedList<Waiter>();
  /** FIFO: how many messages, from the oldest on, are looked at, and the last of them. */
  #windowSize = 0;
  #windowEnd: Link<Entry> | undefined;
  #inFlight = 0;
  readonly #counts = { sent: 0, received: 0, deleted: 0 };
  #delayed = 0;
  #lastSequence: bigint;
  #purgedAt = Number.NEGATIVE_INFINITY;
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;
  #closed = false;

  constructor(settings: QueueSettings, store: MessageStore, clock: Clock, faults: FaultSource = noFaults) {
    this.settings = settings;
    this.#store = store;
    this.#clock = clock;
    this.#faults = faults;
    const subject = { queue: settings.arn.split(':').at(-1) ?? settings.arn };
    this.#subject = () => subject;
    this.#throughput = settings.fifo ? new FifoThroughput(settings.highThroughputCallsPerSecond) : undefined;
    this.#maxInFlight = settings.maxInFlight ?? defaultMaxInFlight;
    const { messages, lastSequence, deduplications } = store.load(settings.arn);
    this.#lastSequence = BigInt(lastSequence ?? 0);
    for (const { key, expiresAt } of deduplications) this.#deduplications.set(key, expiresAt);
    const now = clock.now();
    for (const message of messages) this.#enter(message, now);
  }

  get arn(): string {
    return this.settings.arn;
  }

  /**
   * Counts one API call against the queue's throughput quota.
   * @param groups of the messages concerned.
   * @throws AwsError `ThrottlingException`
   */
  admit(action: CountedAction, groups: Iterable<string> = []): void {
    this.#throughput?.admit(action, groups, this.#clock.now());
  }

  /** The group of the message that a handle belongs to, as far as it is still known. */
  groupOf(receiptHandle: string): string | undefined {
    return this.#bySequence.get(receiptHandle.slice(0, 20))?.message.groupId;
  }

  /** @throws AwsError for a message that SQS refuses; see `checkSend`. */
  send(request: SendRequest): SendResult {
    return this.sendAll([request])[0]?.() as SendResult;
  }

  /** Sends in order and in one transaction; each result is a function that returns or throws for its message. */
  sendAll(requests: readonly SendRequest[]): (() => SendResult)[] {
    const now = this.#clock.now();
    this.#advance(now);
    const results = this.#store.atomically(() =>
      requests.map(request => {
        try {
          checkSend(request, this.settings);
        } catch (error) {
          return () => {
            throw error;
          };
        }
        const result = this.#send(request, now);
        this.#counts.sent += 1;
        return () => result;
      }),
    );
    this.#settle();
    return results;
  }

  /** Hands out messages; where there is none, waits up to `waitSeconds` for some. @throws AwsError `OverLimit` */
  async receive(request: ReceiveRequest = {}): Promise<ReceivedMessage[]> {
    const fault = this.#faults.draw('receive', this.#subject);
    if (fault) await pause(fault.delayMs, AbortSignal.any([fault.ended, ...(request.signal ? [request.signal] : [])]));
    const now = this.#clock.now();
    this.#advance(now);
    const waitSeconds = request.waitSeconds ?? this.settings.receiveWaitSeconds;
    // Only short polls of a standard queue are told: "Amazon SQS standard queue quotas".
    if (!this.settings.fifo && waitSeconds === 0 && this.#inFlight >= this.#maxInFlight)
      throw new AwsError('OverLimit', `The queue has ${this.#inFlight} messages in flight, which is the maximum.`, 403);
    const messages = this.#waiters.size === 0 ? this.#collect(request, now) : [];
    if (messages.length > 0 || waitSeconds === 0 || this.#closed || request.signal?.aborted) {
      this.#settle();
      return messages;
    }
    return new Promise(resolve => {
      const answer = (received: ReceivedMessage[]) => {
        cancelTimeout();
        request.signal?.removeEventListener('abort', giveUp);
        this.#waiters.remove(link);
        resolve(received);
      };
      const giveUp = () => {
        answer([]);
        this.#settle();
      };
      const link = this.#waiters.append({ request, answer });
      const cancelTimeout = this.#clock.schedule(waitSeconds * 1000, giveUp);
      request.signal?.addEventListener('abort', giveUp);
      this.#settle();
    });
  }

  /**
   * Deletes the message of a receive. A standard queue ignores the handle of a receive that is not the latest.
   * @throws AwsError `ReceiptHandleIsInvalid`; on a FIFO queue `InvalidParameterValue` once the visibility timeout ran
   * out, and the message stays.
   */
  delete(receiptHandle: string): void {
    this.#advance(this.#clock.now());
    const { entry, current } = this.#find(receiptHandle);
    if (!entry) return;
    if (this.settings.fifo && (!current || entry.state !== 'inFlight')) throw receiptHandleExpired(receiptHandle);
    if (!current) return;
    this.#store.atomically(() => this.#remove(entry));
    this.#counts.deleted += 1;
    this.#settle();
  }

  /** @throws AwsError `ReceiptHandleIsInvalid`, `MessageNotInflight`, `InvalidParameterValue` */
  changeVisibility(receiptHandle: string, timeoutSeconds: number): void {
    const now = this.#clock.now();
    this.#advance(now);
    if (!(Number.isInteger(timeoutSeconds) && timeoutSeconds >= 0 && timeoutSeconds <= maxVisibilityMs / 1000))
      throw invalidParameterValue(
        `Value ${timeoutSeconds} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.`,
      );
    const { entry, current } = this.#find(receiptHandle);
    if (!entry) throw messageNotInFlight(receiptHandle);
    if (entry.state !== 'inFlight' || !current) {
      if (this.settings.fifo) throw receiptHandleExpired(receiptHandle);
      throw messageNotInFlight(receiptHandle);
    }
    const visibleAt = now + timeoutSeconds * 1000;
    if (visibleAt > (entry.message.lastReceivedAt ?? now) + maxVisibilityMs)
      throw invalidParameterValue(
        `Value ${timeoutSeconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].`,
      );
    this.#hideUntil(entry, visibleAt);
    this.#store.visibility(this.arn, entry.message);
    this.#advance(now);
    this.#settle();
  }

  /** Deletes every message. @throws AwsError `PurgeQueueInProgress` within 60 s of the last purge. */
  purge(): void {
    const now = this.#clock.now();
    if (now - this.#purgedAt < purgeIntervalMs)
      throw new AwsError('PurgeQueueInProgress', 'Only one PurgeQueue operation is allowed every 60 seconds.', 403);
    this.#purgedAt = now;
    this.#store.atomically(() => {
      this.#store.purge(this.arn);
      for (let link = this.#arrivals.first; link; link = this.#arrivals.first) this.#leave(link.value);
    });
  }

  metrics(): QueueMetrics {
    const now = this.#clock.now();
    this.#advance(now);
    const oldest = this.#arrivals.first?.value.message;
    return {
      visible: this.#arrivals.size - this.#inFlight - this.#delayed,
      notVisible: this.#inFlight,
      delayed: this.#delayed,
      oldestAgeSeconds: oldest ? Math.max(0, now - oldest.sentAt) / 1000 : 0,
      ...this.#counts,
    };
  }

  /** Answers every waiting receive with nothing; messages stay in the store. */
  close(): void {
    this.#closed = true;
    for (let link = this.#waiters.first; link; link = this.#waiters.first) link.value.answer([]);
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }

  #send(request: SendRequest, now: number): SendResult {
    const { fifo, arn } = this.settings;
    const { body, attributes = {} } = request;
    const sequence = this.#nextSequence(now);
    this.#store.sequence(arn, sequence);
    const id = randomUUID();
    const result: SendResult = {
      messageId: id,
      md5OfBody: md5Hex(body),
      md5OfAttributes: md5OfAttributes(attributes),
      sequenceNumber: fifo ? sequence : undefined,
    };
    const deduplicationId =
      fifo && request.deduplicationId === undefined
        ? createHash('sha256').update(body).digest('hex')
        : request.deduplicationId;
    // A duplicate is accepted. Which ids its answer carries is not documented, so nobody gets to rely on the first's.
    if (fifo && !this.#remember(request.groupId ?? '', deduplicationId ?? '', now)) return result;
    const delaySeconds = request.delaySeconds ?? this.settings.delaySeconds;
    const message: StoredMessage = {
      id,
      sequence,
      body,
      attributes,
      groupId: request.groupId,
      deduplicationId,
      senderId: request.senderId,
      sentAt: now,
      traceHeader: request.traceHeader,
      sourceArn: undefined,
      visibleAt: now + delaySeconds * 1000,
      receiveCount: 0,
      firstReceivedAt: undefined,
      lastReceivedAt: undefined,
      receipt: undefined,
    };
    this.#store.insert(arn, message);
    this.#enter(message, now);
    return result;
  }

  /** Takes over a message that `source` gave up: a new message of the same group, but with the id it had. */
  #acceptRedriven(message: StoredMessage, source: Queue, now: number): void {
    const sequence = this.#nextSequence(now);
    this.#store.sequence(this.arn, sequence);
    const redriven: StoredMessage = {
      ...message,
      sequence,
      sourceArn: source.arn,
      // "Using dead-letter queues in Amazon SQS": the age goes on in a standard queue and starts anew in a FIFO queue.
      sentAt: this.settings.fifo ? now : message.sentAt,
      visibleAt: now,
      receiveCount: 0,
      firstReceivedAt: undefined,
      lastReceivedAt: undefined,
      receipt: undefined,
    };
    this.#store.insert(this.arn, redriven);
    this.#enter(redriven, now);
  }

  /** Rising but not consecutive, and above every earlier one even if the clock was set back between two starts. */
  #nextSequence(now: number): string {
    const byTime = 10n ** 19n + BigInt(Math.floor(now)) * 1_000_000n;
    const floor = byTime > this.#lastSequence ? byTime : this.#lastSequence;
    this.#lastSequence = floor + BigInt(randomInt(1, 256));
    return this.#lastSequence.toString().padStart(20, '0');
  }

  /** False for an id that was used within the last 5 minutes. */
  #remember(groupId: string, deduplicationId: string, now: number): boolean {
    const perGroup = this.settings.deduplicationScope === 'messageGroup';
    const key = perGroup ? `${groupId}\n${deduplicationId}` : deduplicationId;
    let forgotten = false;
    for (const [oldKey, expiresAt] of this.#deduplications) {
      if (expiresAt > now) break;
      this.#deduplications.delete(oldKey);
      forgotten = true;
    }
    if (forgotten) this.#store.forget(this.arn, now);
    if (this.#deduplications.has(key)) return false;
    this.#deduplications.set(key, now + deduplicationMs);
    this.#store.deduplicate(this.arn, key, now + deduplicationMs);
    return true;
  }

  /** Puts a new or stored message into the structures in memory. */
  #enter(message: StoredMessage, now: number): void {
    const entry = new Entry(message, this.#arrivals);
    this.#bySequence.set(message.sequence, entry);
    if (message.visibleAt > now) {
      entry.state = message.receipt === undefined ? 'delayed' : 'inFlight';
      if (entry.state === 'delayed') this.#delayed++;
      else this.#inFlight++;
      this.#hideUntil(entry, message.visibleAt);
    }
    if (!this.settings.fifo) {
      if (entry.state === 'visible') entry.lane = this.#ready.append(entry);
    } else if (this.#windowSize < this.#maxInFlight) this.#look(entry);
  }

  /** FIFO: from now on the message is among those that the queue looks at. */
  #look(entry: Entry): void {
    this.#windowSize++;
    this.#windowEnd = entry.arrival;
    const id = entry.message.groupId ?? '';
    let group = this.#groups.get(id);
    if (!group) {
      group = { id, entries: new LinkedList(), inFlight: 0, ready: undefined };
      this.#groups.set(id, group);
    }
    entry.group = group;
    entry.lane = group.entries.append(entry);
    if (entry.state === 'inFlight') group.inFlight++;
    this.#refresh(group);
  }

  /** FIFO: a group has something to hand out if nothing of it is in flight and its first message is visible. */
  #refresh(group: Group): void {
    const isReady = group.inFlight === 0 && group.entries.first?.value.state === 'visible';
    if (isReady && !group.ready) group.ready = this.#readyGroups.append(group);
    if (!isReady && group.ready) {
      this.#readyGroups.remove(group.ready);
      group.ready = undefined;
    }
    if (group.entries.size === 0) this.#groups.delete(group.id);
  }

  #hideUntil(entry: Entry, visibleAt: number): void {
    if (entry.due) entry.due.entry = undefined;
    entry.message.visibleAt = visibleAt;
    entry.due = { entry };
    this.#due.push(visibleAt, entry.due);
  }

  #remove(entry: Entry): void {
    this.#store.remove(this.arn, entry.message);
    this.#leave(entry);
  }

  /** Takes a message out of the structures in memory. */
  #leave(entry: Entry): void {
    const { group, arrival, state } = entry;
    if (entry.due) entry.due.entry = undefined;
    if (state === 'inFlight') this.#inFlight--;
    if (state === 'delayed') this.#delayed--;
    this.#bySequence.delete(entry.message.sequence);
    const previous = arrival.previous;
    this.#arrivals.remove(arrival);
    if (!this.settings.fifo) {
      if (entry.lane) this.#ready.remove(entry.lane);
      return;
    }
    if (!group) return;
    group.entries.remove(entry.lane as Link<Entry>);
    if (state === 'inFlight') group.inFlight--;
    this.#refresh(group);
    this.#windowSize--;
    if (this.#windowEnd === arrival) this.#windowEnd = previous;
    const next = this.#windowEnd ? this.#windowEnd.next : this.#arrivals.first;
    if (next) this.#look(next.value);
  }

  /** Brings the queue to the present: visibility timeouts, delays, retention. */
  #advance(now: number): void {
    for (let due = this.#due.popDue(now); due; due = this.#due.popDue(now)) {
      const entry = due.value.entry;
      if (entry) this.#appear(entry);
    }
    for (let link = this.#arrivals.first; link && this.#isPastRetention(link.value, now); link = this.#arrivals.first)
      this.#remove(link.value);
  }

  #isPastRetention(entry: Entry, now: number): boolean {
    return entry.message.sentAt + this.settings.retentionSeconds * 1000 <= now;
  }

  #appear(entry: Entry): void {
    if (entry.state === 'inFlight') {
      this.#inFlight--;
      if (entry.group) entry.group.inFlight--;
    } else this.#delayed--;
    entry.state = 'visible';
    entry.due = undefined;
    if (!this.settings.fifo) entry.lane = this.#ready.append(entry);
    else if (entry.group) this.#refresh(entry.group);
  }

  #find(receiptHandle: string): { readonly entry: Entry | undefined; readonly current: boolean } {
    const [, sequence, receipt] = handlePattern.exec(receiptHandle) ?? [];
    if (sequence === undefined) throw receiptHandleIsInvalid(receiptHandle);
    const entry = this.#bySequence.get(sequence);
    return { entry, current: entry?.message.receipt === receipt };
  }

  #collect(request: ReceiveRequest, now: number): ReceivedMessage[] {
    const hasCandidates = this.settings.fifo ? this.#readyGroups.size > 0 : this.#ready.size > 0;
    if (!hasCandidates || this.#inFlight >= this.#maxInFlight) return [];
    const batch: ReceivedMessage[] = [];
    const max = Math.min(request.max ?? 1, this.#maxInFlight - this.#inFlight);
    let bytes = 0;
    const takeOrGiveUp = (entry: Entry): boolean => {
      if (this.#isPastRetention(entry, now)) {
        this.#remove(entry);
        return true;
      }
      if (this.redrive && entry.message.receiveCount >= this.redrive.maxReceiveCount) {
        this.#remove(entry);
        this.redrive.target.#acceptRedriven(entry.message, this, now);
        return true;
      }
      bytes += Buffer.byteLength(entry.message.body);
      if (batch.length > 0 && request.maxBytes !== undefined && bytes > request.maxBytes) return false;
      batch.push(this.#take(entry, request.visibilityTimeoutSeconds, now));
      return batch.length < max;
    };
    this.#store.atomically(() => {
      if (this.settings.fifo) this.#offerGroups(takeOrGiveUp);
      else this.#offerReady(takeOrGiveUp);
    });
    if (this.redrive) this.redrive.target.#settle();
    this.#counts.received += batch.length;
    return batch;
  }

  #offerReady(take: (entry: Entry) => boolean): void {
    for (let link = this.#ready.first; link; link = this.#ready.first) if (!take(link.value)) return;
  }

  /** As many messages of one group as possible, then of the next: "FIFO queue delivery logic in Amazon SQS". */
  #offerGroups(take: (entry: Entry) => boolean): void {
    for (let ready = this.#readyGroups.first; ready; ready = this.#readyGroups.first) {
      const group = ready.value;
      for (let link = group.entries.first; link?.value.state === 'visible'; ) {
        const following: Link<Entry> | undefined = link.next;
        if (!take(link.value)) return;
        link = following;
      }
    }
  }

  #take(entry: Entry, visibilityTimeoutSeconds: number | undefined, now: number): ReceivedMessage {
    const { message } = entry;
    const receipt = randomUUID();
    message.receiveCount++;
    message.firstReceivedAt ??= now;
    message.lastReceivedAt = now;
    message.receipt = receipt;
    entry.state = 'inFlight';
    this.#inFlight++;
    if (entry.group) {
      entry.group.inFlight++;
      this.#refresh(entry.group);
    } else if (entry.lane) {
      this.#ready.remove(entry.lane);
      entry.lane = undefined;
    }
    const hiddenMs = (visibilityTimeoutSeconds ?? this.settings.visibilityTimeoutSeconds) * 1000;
    this.#hideUntil(entry, now + (this.#faults.draw('visibility', this.#subject)?.hiddenMs ?? hiddenMs));
    this.#store.received(this.arn, message);
    return {
      messageId: message.id,
      receiptHandle: `${message.sequence}.${receipt}`,
      body: message.body,
      md5OfBody: md5Hex(message.body),
      messageAttributes: message.attributes,
      md5OfMessageAttributes: md5OfAttributes(message.attributes),
      attributes: this.#systemAttributes(message),
    };
  }

  #systemAttributes(message: StoredMessage): Record<string, string> {
    return {
      ApproximateReceiveCount: String(message.receiveCount),
      SentTimestamp: String(message.sentAt),
      ...(this.settings.fifo ? { SequenceNumber: message.sequence } : {}),
      ...(message.groupId === undefined ? {} : { MessageGroupId: message.groupId }),
      SenderId: message.senderId,
      ...(message.deduplicationId === undefined ? {} : { MessageDeduplicationId: message.deduplicationId }),
      ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
      ...(message.traceHeader === undefined ? {} : { AWSTraceHeader: message.traceHeader }),
      ...(message.sourceArn === undefined ? {} : { DeadLetterQueueSourceArn: message.sourceArn }),
    };
  }

  /** After a change: answers receives that wait, oldest first, and sets the timer for the next due message. */
  #settle(): void {
    const now = this.#clock.now();
    for (let link = this.#waiters.first; link; link = this.#waiters.first) {
      const messages = this.#collect(link.value.request, now);
      if (messages.length === 0) break;
      link.value.answer(messages);
    }
    const at = this.#waiters.size > 0 ? this.#due.nextAt : undefined;
    if (this.#alarm?.at === at) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (at === undefined) return;
    const cancel = this.#clock.schedule(at - now, () => {
      this.#alarm = undefined;
      this.#advance(this.#clock.now());
      this.#settle();
    });
    this.#alarm = { at, cancel };
  }
}
