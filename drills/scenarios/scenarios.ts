import type { AlarmRow, Runbook } from '../../lib/runbook/runbook.ts';
import type { SignalName } from '../../lib/runbook/signals.ts';
import type { Scenario, ScenarioOf } from '../scenario.ts';
import {
  leakOfAddress,
  leakToFigure,
  leakToMaximum,
  manySilent,
  moreClientsThanUsual,
  moreCutsThanUsual,
  networkCuts,
  vanishing,
  wrongTokens,
} from './connections.ts';
import {
  connectionsAreSlow,
  fanOutIsBusy,
  fanOutIsSlow,
  moreThanIsDelivered,
  nothingIsDelivered,
  nothingIsPublished,
  pileOfMessages,
  poisoned,
  postsAreSlow,
  publisherFloods,
  quickRoom,
} from './delivery.ts';
import {
  answersAreSlow,
  arrivalsRefused,
  censusStops,
  lostAndLockedOut,
  nobodyGetsIn,
  publicationsFail,
  releaseLeaks,
  releaseMisreads,
  releaseMisreadsProbe,
  releaseMissigns,
  serverPublicationsFail,
  someAnswersFail,
} from './functions.ts';
import { heartbeatsThrottled, manyWrites } from './store.ts';

/** What brings a signal to its threshold, unless a service's row says otherwise. */
const bySignal: Partial<Record<SignalName, ScenarioOf>> = {
  CensusRuns: censusStops,
  ProbeSuccess: nobodyGetsIn,
  UndeliverableMessages: poisoned,
  DeadLetters: poisoned,
  MessagesAccepted: nothingIsPublished,
  ServerApiErrors: serverPublicationsFail,
  ReplyLatency: answersAreSlow,
  StoreThrottles: heartbeatsThrottled,
  SilentConnections: manySilent,
  ConnectionErrorRate: arrivalsRefused(4, 20),
  ConnectionsUsed: leakToMaximum,
  DeliveryLatency: fanOutIsSlow(800),
};

/** What brings a signal out of its band: it has to be learned before, and the new must not be usual soon. */
const byBand: Partial<Record<SignalName, ScenarioOf>> = {
  ActiveConnections: moreClientsThanUsual,
  Disconnects: moreCutsThanUsual,
};

/** With so many invocations at once as vitalstream has, each has a quota of 35 posts a second, and 30 at once. */
const ward = { clients: 30, rooms: 1, perSecond: 1 };

/** Rows of a service: how far a fault has to go for this threshold and not for the next, or which playbook is to help. */
const byRow: Readonly<Record<string, Readonly<Record<string, ScenarioOf>>>> = {
  archon: {
    WebsocketConnectionsBelowExpected: lostAndLockedOut(0.5),
    WebsocketConnectionErrors: arrivalsRefused(4, 10),
    WebsocketErrors: publicationsFail(10),
    WebsocketSendFailures: releaseMissigns(8, 10, { timeScale: 60 }),
    WebsocketBroadcastLatency: connectionsAreSlow(1_500),
    WebsocketQueueGrowing: moreThanIsDelivered(13, 160, 10),
    WebsocketQueueDepth: pileOfMessages(4_500, 300, 10),
  },
  'chat-backend': {
    // Two failures are critical to it, and what functions rebuild would cure a sick host before the third.
    ServiceDown: releaseMisreadsProbe(1),
    HealthCheckCritical: releaseMisreadsProbe(6),
    // Two of them in half an hour are critical.
    HealthCheck: releaseMisreadsProbe(31),
    ConnectionChurnCritical: releaseMissigns(10),
    ConnectionChurn: releaseMissigns(40),
    HeartbeatTimeoutsCritical: vanishing(400),
    HeartbeatTimeouts: vanishing(1_000),
    TransportClosesCritical: networkCuts(600),
    TransportCloses: networkCuts(1_300),
    FanOutBusyCritical: fanOutIsBusy(10, 10),
    FanOutBusy: fanOutIsBusy(9, 10),
    MemoryCritical: releaseLeaks(0.915),
    MemoryHigh: releaseLeaks(0.87),
    StoreCritical: manyWrites(16_000),
    StoreBusy: manyWrites(16_000),
    ErrorRateHigh: releaseMisreads(4, 10),
  },
  dojopool: {
    DojoPoolWebSocketConnections: arrivalsRefused(4, 10),
    DojoPoolWebSocketConnectionsDropping: lostAndLockedOut(0.3),
    DojoPoolWebSocketConnectionsLost: lostAndLockedOut(0.85, 10),
    DojoPoolAuthenticationFailing: wrongTokens(4, 30),
    DojoPoolAPIHighErrorRate: publicationsFail(10),
    DojoPoolMovesLate: postsAreSlow(160),
    DojoPoolMessageBacklog: publisherFloods(20, 350, 10),
    DojoPoolMemory: releaseLeaks(0.87),
    DojoPoolConcurrency: fanOutIsBusy(3, 3, quickRoom),
  },
  matchbook: {
    WebSocketHighConnectionCount: leakToFigure(50),
    ConnectionsRefused: leakOfAddress,
    WebSocketMessageBacklog: publisherFloods(28, 300, 80),
    OldestPrice: pileOfMessages(2_200, 700, 1),
    UsersDisconnected: lostAndLockedOut(0.7),
    ConnectionChurn: releaseMissigns(20),
  },
  vitalstream: {
    ProbeFailing: someAnswersFail,
    StreamLatency: postsAreSlow(250, { audience: ward }),
    StreamsWaiting: nothingIsDelivered,
    PatientsDisconnected: lostAndLockedOut(0.4),
    DisconnectionRateCritical: releaseMissigns(20),
    DisconnectionRate: releaseMissigns(60),
    ConnectionErrorsByLogin: wrongTokens(4, 10),
    ConnectionErrorsInternal: arrivalsRefused(4, 5),
    FunctionsBusy: fanOutIsBusy(5, 5, quickRoom),
    MemoryHigh: releaseLeaks(0.87),
    QuotaNearLimit: manyWrites(250),
  },
};

type Row = Pick<AlarmRow, 'name' | 'condition'>;

const madeFor = ({ name, condition: { kind, signal } }: Row, service: string): ScenarioOf | undefined =>
  byRow[service]?.[name] ?? (kind === 'band' ? byBand : bySignal)[signal];

/** Why an alarm has no drill; undefined where it has one. */
export function notHere(row: Row, service: string): string | undefined {
  const { kind, signal } = row.condition;
  if (signal === 'CertificateDaysLeft') return 'the local environment has no TLS, so no certificate that could end';
  if (madeFor(row, service)) return undefined;
  return `nothing here brings ${signal} ${kind === 'band' ? 'out of its band' : 'to a threshold'} as yet`;
}

/** @throws Error where there is none */
export function scenarioOf(row: AlarmRow, runbook: Runbook): Scenario {
  const made = madeFor(row, runbook.service);
  if (!made)
    throw new Error(`there is no drill for ${row.name} of ${runbook.service}: ${notHere(row, runbook.service)}`);
  return made(row, runbook);
}
