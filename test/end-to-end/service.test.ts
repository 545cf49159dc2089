import { sign } from 'aws4';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { refusedStatus, TestClient } from './client.ts';
import { type LocalService, startLocalService } from './local-service.ts';

jest.setTimeout(60_000);

let service: LocalService;
const clients: TestClient[] = [];

async function connect(user = 'alice', rights = { read: ['*'], write: ['*'] }): Promise<TestClient> {
  const client = await TestClient.connect(
    service.endpoints.websocketUrl,
    await service.token({ user, channels: rights }),
  );
  clients.push(client);
  return client;
}

/** A channel of its own for each test. */
let channels = 0;
const newChannel = () => `room:${++channels}`;

beforeAll(async () => {
  service = await startLocalService({ service: 'matchbook' });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map(client => client.close()));
});
afterAll(() => service.end());

describe('a message', () => {
  it('reaches every subscriber once and in the order of publication, each linked to the one before', async () => {
    const channel = newChannel();
    const [publisher, ...subscribers] = await Promise.all([connect('ann'), connect('bob'), connect('carol')]);
    for (const subscriber of subscribers) {
      expect(await subscriber.ask({ action: 'subscribe', channel })).toMatchObject({
        type: 'subscribed',
        channel,
        recovered: true,
      });
    }
    const cursors: unknown[] = [];
    for (let n = 0; n < 8; n += 1) {
      publisher.send({ action: 'publish', channel, id: `m${n}`, data: { n } });
      cursors.push((await publisher.frame({ type: 'accepted', id: `m${n}` })).cursor);
    }
    expect(cursors).toEqual([...cursors].sort());
    for (const subscriber of subscribers) {
      await subscriber.until(() => (subscriber.messages(channel).length >= 8 ? true : undefined), 'eight messages');
      const messages = subscriber.messages(channel);
      expect(messages.map(({ data }) => data)).toEqual(Array.from({ length: 8 }, (_, n) => ({ n })));
      expect(messages.map(({ cursor }) => cursor)).toEqual(cursors);
      expect(messages.map(({ previous }) => previous)).toEqual([null, ...cursors.slice(0, -1)]);
    }
  });

  it('that is published again with the same id and data is delivered once', async () => {
    const channel = newChannel();
    const client = await connect();
    await client.ask({ action: 'subscribe', channel });
    for (const id of ['once', 'once', 'last']) {
      expect(await client.ask({ action: 'publish', channel, id, data: 1 })).toMatchObject({ type: 'accepted', id });
    }
    await client.until(() => client.messages(channel).find(({ id }) => id === 'last'), 'the last message');
    expect(client.messages(channel).map(({ id }) => id)).toEqual(['once', 'last']);
  });

  it('does not come any more after unsubscribing', async () => {
    const channel = newChannel();
    const [leaver, stayer] = await Promise.all([connect('ann'), connect('bob')]);
    await leaver.ask({ action: 'subscribe', channel });
    await stayer.ask({ action: 'subscribe', channel });
    expect(await leaver.ask({ action: 'unsubscribe', channel })).toMatchObject({ type: 'unsubscribed', channel });
    await stayer.ask({ action: 'publish', channel, id: 'm', data: null });
    await stayer.until(() => stayer.messages(channel)[0], 'the message');
    expect(leaver.messages(channel)).toEqual([]);
  });

  it('of almost the largest size that is allowed arrives whole, in several WebSocket frames', async () => {
    const channel = newChannel();
    const client = await connect();
    await client.ask({ action: 'subscribe', channel });
    const data = 'x'.repeat(110_000);
    const text = JSON.stringify({ action: 'publish', channel, id: 'large', data });
    for (let at = 0; at < text.length; at += 30_000) {
      client.socket.send(text.slice(at, at + 30_000), { fin: at + 30_000 >= text.length });
    }
    expect(await client.frame({ type: 'accepted', id: 'large' })).toBeDefined();
    expect((await client.frame({ type: 'message', id: 'large' })).data).toBe(data);
  });

  it('can be published by a server that signs, and by no other', async () => {
    const channel = newChannel();
    const client = await connect();
    await client.ask({ action: 'subscribe', channel });
    const { host, origin } = new URL(service.endpoints.httpUrl);
    const path = `/channels/${encodeURIComponent(channel)}/messages`;
    const post = (body: string, credentials?: typeof service.developer) => {
      const { headers } = sign(
        {
          service: 'execute-api',
          region: service.endpoints.region,
          host,
          method: 'POST',
          path,
          body,
          headers: { 'content-type': 'application/json' },
        },
        credentials ?? { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'wrong' },
      );
      return fetch(origin + path, { method: 'POST', body, headers: headers as Record<string, string> });
    };
    const accepted = await post('{"id":"s1","data":{"price":1}}', service.developer);
    expect([accepted.status, await accepted.json()]).toEqual([
      200,
      { id: 's1', cursor: expect.stringMatching(/^\d{39}$/) },
    ]);
    expect((await client.frame({ type: 'message', id: 's1' })).data).toEqual({ price: 1 });
    expect((await post('{"id":"s2","data":1}')).status).toBe(403);
    const bad = await post('{"data":1}', service.developer);
    expect([bad.status, await bad.json()]).toEqual([
      400,
      { code: 'bad_frame', message: expect.stringContaining('body.id') },
    ]);
  });
});

describe('a subscriber that was away', () => {
  it('gets what it missed before the answer, and goes on without a gap', async () => {
    const channel = newChannel();
    const publisher = await connect('ann');
    const publish = async (id: string) => (await publisher.ask({ action: 'publish', channel, id, data: id })).cursor;
    const early = await connect('bob');
    const { cursor: since } = await early.ask({ action: 'subscribe', channel });
    await early.close();
    for (const id of ['m1', 'm2', 'm3']) await publish(id);

    const back = await connect('bob');
    // The fan-out may not have logged them yet: what is not replayed then comes as it is published.
    const { recovered } = await back.ask({ action: 'subscribe', channel, since });
    expect(recovered).toBe(true);
    await publish('m4');
    await back.until(() => back.messages(channel).find(({ id }) => id === 'm4'), 'm4');
    const seen = new Map(back.messages(channel).map(message => [message.cursor as string, message]));
    const inOrder = [...seen.keys()].sort().map(cursor => seen.get(cursor));
    expect(inOrder.map(message => message?.id)).toEqual(['m1', 'm2', 'm3', 'm4']);

    const again = await connect('bob');
    await again.ask({ action: 'subscribe', channel, since });
    expect(again.received.at(-1)).toMatchObject({ type: 'subscribed', recovered: true });
    expect(again.messages(channel)).toMatchObject(['m1', 'm2', 'm3', 'm4'].map(id => ({ id, channel, replay: true })));
  });

  it('is told where its cursor is not of the channel', async () => {
    const client = await connect();
    const answer = await client.ask({ action: 'subscribe', channel: newChannel(), since: '7'.repeat(39) });
    expect(answer).toMatchObject({ type: 'subscribed', recovered: false, cursor: '0'.repeat(39) });
  });
});

describe('a client', () => {
  it('gets the subprotocol it offered, a pong for a ping, an answer to its heartbeat', async () => {
    const client = await connect();
    expect(client.socket.protocol).toBe('steadysocket.v1');
    client.send({ type: 'ping' });
    await client.frame({ type: 'pong' });
    expect(await client.ask({ action: 'heartbeat' })).toMatchObject({ type: 'heartbeat' });
  });

  it('sees who else is subscribed, and no longer who has left', async () => {
    const channel = newChannel();
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')]);
    await ann.ask({ action: 'subscribe', channel });
    await bob.ask({ action: 'subscribe', channel });
    const users = async () =>
      ((await ann.ask({ action: 'presence', channel })).members as { user: string }[]).map(({ user }) => user).sort();
    expect(await users()).toEqual(['ann', 'bob']);
    await bob.close();
    // $disconnect is delivered after the close: presence follows it, so it is asked until it has.
    let now = await users();
    while (now.length > 1) now = await users();
    expect(now).toEqual(['ann']);
  });

  it('is admitted on a path that a custom domain would map, and with the token in a header', async () => {
    const { origin } = new URL(service.endpoints.websocketUrl);
    const headers = { authorization: `Bearer ${await service.token({ algorithm: 'ES256' })}` };
    const client = await TestClient.connect(`${origin}/world`, undefined, { headers });
    clients.push(client);
    client.send({ type: 'ping' });
    await client.frame({ type: 'pong' });
  });
});

describe('health', () => {
  it('is ok while the store answers', async () => {
    const response = await fetch(`${service.endpoints.httpUrl}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'ok',
      uptime: expect.any(Number),
      database: { overall: 'healthy' },
    });
  });
});

describe('a handshake is refused', () => {
  const offer = (token: string) => ['steadysocket.v1', `bearer.${token}`];
  const claims = { channels: { read: ['*'], write: ['*'] } };

  it('with 401 without a token, or with one that is expired, forged, for another audience, or unsigned', async () => {
    const url = service.endpoints.websocketUrl;
    const { privateKey } = await generateKeyPair('RS256');
    const genuine = await service.token();
    const [header = '', payload = ''] = genuine.split('.');
    const { iss, aud } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const sameKeyId = JSON.parse(Buffer.from(header, 'base64url').toString());
    const forged = await new SignJWT(claims)
      .setProtectedHeader(sameKeyId)
      .setIssuer(iss)
      .setAudience(aud)
      .setSubject('alice')
      .setExpirationTime('1h')
      .sign(privateKey);
    const unsigned = new UnsecuredJWT(claims)
      .setIssuer(iss)
      .setAudience(aud)
      .setSubject('alice')
      .setExpirationTime('1h')
      .encode();
    expect(await refusedStatus(url)).toBe(401);
    expect(await refusedStatus(url, offer(await service.token({ expires: -60 })))).toBe(401);
    expect(await refusedStatus(url, offer(await service.token({ audience: 'another' })))).toBe(401);
    expect(await refusedStatus(url, offer(await service.token({ issuer: 'https://evil.example.com/' })))).toBe(401);
    expect(await refusedStatus(url, offer(forged))).toBe(401);
    expect(await refusedStatus(url, offer(unsigned))).toBe(401);
    expect(await refusedStatus(`${url}?token=${genuine}`)).toBe(401);
    expect(service.log.filter(line => line.includes('connection refused')).length).toBeGreaterThanOrEqual(7);
    expect(service.log.join()).not.toContain(payload.slice(0, 20));
  });

  it('with 403 from an origin that is not allowed, while an allowed one is admitted', async () => {
    const url = service.endpoints.websocketUrl;
    const token = await service.token();
    expect(await refusedStatus(url, offer(token), { origin: 'https://evil.example.com' })).toBe(403);
    const client = await TestClient.connect(url, token, { origin: 'http://localhost:3000' });
    await client.close();
  });

  it('with 429 beyond the connections of one user', async () => {
    const limit = 50;
    const crowd = await Promise.all(Array.from({ length: limit }, () => connect('crowd')));
    expect(crowd).toHaveLength(limit);
    // The index that is counted lags behind the table by a moment.
    let status: number | undefined;
    while (status === undefined) {
      status = await refusedStatus(service.endpoints.websocketUrl, offer(await service.token({ user: 'crowd' }))).catch(
        () => undefined,
      );
    }
    expect(status).toBe(429);
    expect(service.log.some(line => line.includes('too_many_for_user'))).toBe(true);
  });
});

describe('a bad frame is answered with its code', () => {
  const long = 'x'.repeat(129);
  it.each([
    ['not JSON', 'nope', 'bad_json', {}],
    ['not an object', '[1]', 'bad_frame', {}],
    ['an unknown action', { action: 'fly', request: 7 }, 'unknown_action', { request: 7 }],
    ['no action', { channel: 'a' }, 'bad_frame', {}],
    ['a missing field', { action: 'publish', channel: 'a', id: 'x' }, 'bad_frame', { id: 'x' }],
    ['a field of another type', { action: 'subscribe', channel: 5 }, 'bad_frame', {}],
    ['an unknown field', { action: 'subscribe', channel: 'a', whence: 1 }, 'bad_frame', {}],
    ['an empty channel', { action: 'subscribe', channel: '' }, 'bad_frame', {}],
    ['a long channel', { action: 'subscribe', channel: long }, 'bad_frame', {}],
    ['a channel with a shard mark', { action: 'subscribe', channel: 'a#0' }, 'bad_frame', {}],
    ['an empty id', { action: 'publish', channel: 'a', id: '', data: 1 }, 'bad_frame', {}],
    ['a long id', { action: 'publish', channel: 'a', id: long, data: 1 }, 'bad_frame', {}],
    ['a cursor that is none', { action: 'subscribe', channel: 'a', since: '12' }, 'bad_frame', {}],
    [
      'a channel that may not be read',
      { action: 'subscribe', channel: 'secret', request: 'q' },
      'forbidden_channel',
      { request: 'q' },
    ],
    [
      'a channel that may not be written',
      { action: 'publish', channel: 'secret', id: 'x', data: 1 },
      'forbidden_channel',
      { id: 'x' },
    ],
  ])('%s', async (_, frame, code, echoed) => {
    const client = await connect('bob', { read: ['a'], write: ['a'] });
    client.send(frame);
    const answer = await client.frame({ type: 'error' });
    expect(answer).toMatchObject({ code, message: expect.any(String), ...echoed });
  });

  it('too much data', async () => {
    const client = await connect();
    const text = JSON.stringify({ action: 'publish', channel: 'a', id: 'big', data: 'x'.repeat(127_000) });
    for (let at = 0; at < text.length; at += 30_000) {
      client.socket.send(text.slice(at, at + 30_000), { fin: at + 30_000 >= text.length });
    }
    expect(await client.frame({ type: 'error' })).toMatchObject({ code: 'message_too_large', id: 'big' });
  });
});

describe('the gateway closes', () => {
  it.each([
    ['1009 at a WebSocket frame over 32 KB', 1009, (client: TestClient) => client.send('x'.repeat(33_000))],
    ['1003 at a binary frame', 1003, (client: TestClient) => client.socket.send(Buffer.from('{}'), { binary: true })],
    [
      '1009 at a message over 128 KB',
      1009,
      (client: TestClient) => {
        for (let n = 0; n < 5; n += 1) client.socket.send('x'.repeat(30_000), { fin: n === 4 });
      },
    ],
  ])('with %s', async (_, code, act) => {
    const client = await connect();
    const closed = client.closed();
    act(client);
    expect((await closed).code).toBe(code);
  });
});

describe('a client that sends a thousand frames a second', () => {
  it('is refused, cut off and logged a few times, and the others are served meanwhile', async () => {
    const channel = newChannel();
    const [flooder, ann, bob] = await Promise.all([connect('flood'), connect('ann'), connect('bob')]);
    await bob.ask({ action: 'subscribe', channel });
    const logged = service.log.length;
    const floodedFrom = Date.now();
    let cutOff: number | undefined;
    const closed = flooder.closed().then(({ code }) => {
      cutOff = code;
    });
    // Heartbeats are the dear ones: each is a write to the store.
    const flood = setInterval(() => {
      for (let n = 0; n < 10 && cutOff === undefined; n += 1) flooder.send({ action: 'heartbeat' });
    }, 10);
    let served = 0;
    try {
      while (cutOff === undefined || served < 5) {
        const answer = await ann.ask({ action: 'publish', channel, id: `m${served}`, data: served });
        expect(answer).toMatchObject({ type: 'accepted' });
        served += 1;
      }
    } finally {
      clearInterval(flood);
    }
    await closed;
    expect(cutOff).toBe(1000);
    expect(flooder.received.some(({ code }) => code === 'rate_limited')).toBe(true);
    await bob.until(() => (bob.messages(channel).length === served ? true : undefined), 'every message');
    expect(bob.messages(channel).map(({ data }) => data)).toEqual(Array.from({ length: served }, (_, n) => n));
    // At most one line in 10 s from each of the six function environments.
    const spells = 1 + Math.floor((Date.now() - floodedFrom) / 10_000);
    const lines = service.log.slice(logged).filter(line => line.includes('rate_limited')).length;
    expect(lines).toBeLessThanOrEqual(6 * spells);
    expect(lines).toBeGreaterThan(0);
  });
});
