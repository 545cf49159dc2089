import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { addressOf, Link } from '../../bench/link.ts';

describe('Link', () => {
  const server = createServer((request, response) => {
    if (request.url === '/held') response.writeHead(200).write('a part');
    else response.end(request.socket.remoteAddress);
  });
  let url: string;
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const body = async (link: Link) => {
    const [response] = await once(get(url, { agent: link }), 'response');
    return (await response.toArray()).join('');
  };

  it('connects from its own address', async () => {
    expect(await body(new Link(addressOf(9)))).toBe(addressOf(9));
  });

  it('ends what is open when it is cut, lets nothing through, and connects again when it is restored', async () => {
    const link = new Link(addressOf(0));
    const [response] = await once(get(`${url}/held`, { agent: link }), 'response');
    const broken = once(response, 'error');
    response.resume();
    expect(link.cut()).toBe(true);
    await broken;
    await expect(body(link)).rejects.toThrow('ENETUNREACH');
    link.restore();
    expect(await body(link)).toBe(addressOf(0));
  });

  it('says when nothing was open', () => {
    expect(new Link(addressOf(0)).cut()).toBe(false);
  });
});
