import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, type CDPSession, chromium } from 'playwright-core';

/** One of dev's allowed origins. Nothing listens there: what is asked of it is answered by the test. */
export const pageUrl = 'http://127.0.0.1:5173/';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** @throws Error that says what to do, where there is none */
function chromiumPath(): string {
  const { CHROMIUM_PATH, PATH = '' } = process.env;
  const places = PATH.split(delimiter).flatMap(folder => names.map(name => join(folder, name)));
  for (const place of CHROMIUM_PATH === undefined ? places : [CHROMIUM_PATH]) {
    try {
      accessSync(place, constants.X_OK);
      return place;
    } catch {
      // Not here.
    }
  }
  const missing =
    CHROMIUM_PATH === undefined
      ? `none of ${names.join(', ')} is in PATH`
      : `CHROMIUM_PATH is ${CHROMIUM_PATH}, which cannot be run`;
  throw new Error(`no Chromium: ${missing}. Install one (apt-get install chromium), or set CHROMIUM_PATH.`);
}

const settings = {
  args: [
    // Timers of hidden pages are slowed after a second instead of minutes; Playwright turns that off altogether.
    '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1',
    // A page that the test answers for comes from no address, and may not talk to this machine without asking its user.
    '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
  ],
  ignoreDefaultArgs: [
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
  ],
};

/** @throws Error where no Chromium is found */
export const launchChromium = (): Promise<Browser> =>
  // As root, as in most containers, Chromium runs without its sandbox only.
  chromium.launch({ executablePath: chromiumPath(), chromiumSandbox: process.getuid?.() !== 0, ...settings });

/** The document that runs `in-page.ts`. */
export async function document(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'in-page.ts')],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'inPage',
    target: 'es2022',
    write: false,
  });
  return `<!doctype html><title>test</title><script>${outputFiles[0]?.text}</script>`;
}

type InPage = typeof import('./in-page.ts');
export interface Page {
  /** Calls a function of `in-page.ts` and awaits what it returns. */
  call<Name extends keyof InPage>(
    name: Name,
    ...args: Parameters<InPage[Name]>
  ): Promise<Awaited<ReturnType<InPage[Name]>>>;
  close(): Promise<void>;
}

/** @param policy the Content Security Policy of the page, if it has one */
export async function openPage(browser: Browser, html: string, policy?: string): Promise<Page> {
  const page = await browser.newPage();
  const headers: Record<string, string> = policy === undefined ? {} : { 'content-security-policy': policy };
  await page.route(pageUrl, route => route.fulfill({ contentType: 'text/html', headers, body: html }));
  await page.goto(pageUrl);
  return {
    call: (name, ...args) => page.evaluate(`inPage[${JSON.stringify(name)}](...${JSON.stringify(args)})`),
    close: () => page.close(),
  };
}

export interface HideablePage extends Page {
  hide(): Promise<void>;
  visibility(): Promise<string>;
}

/** Speaks to a page that Playwright knows nothing of, since it keeps its own visible whatever happens to their windows. */
async function attach(browser: CDPSession, targetId: string) {
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: false });
  const answers = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>();
  const listeners = new Map<string, (parameters: { requestId: string }) => void>();
  browser.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, method, params, ...answer } = JSON.parse(message);
    if (id === undefined) listeners.get(method)?.(params);
    else answers.get(id)?.(answer);
  });
  let last = 0;
  return {
    on: (method: string, listener: (parameters: { requestId: string }) => void) => listeners.set(method, listener),
    async send<T>(method: string, params: object = {}): Promise<T> {
      const id = ++last;
      const answer = new Promise<{ result?: unknown; error?: { message: string } }>(resolve =>
        answers.set(id, resolve),
      );
      await browser.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params }) });
      const { result, error } = await answer;
      if (error) throw new Error(`${method}: ${error.message}`);
      return result as T;
    },
  };
}

/** A page in a window of its own, which can be minimized. */
export async function openHideablePage(browser: Browser, html: string): Promise<HideablePage> {
  const session = await browser.newBrowserCDPSession();
  const { browserContextId } = await session.send('Target.createBrowserContext');
  const { targetId } = await session.send('Target.createTarget', { url: 'about:blank', browserContextId });
  const page = await attach(session, targetId);
  const loaded = new Promise<void>(resolve => page.on('Page.loadEventFired', () => resolve()));
  page.on('Fetch.requestPaused', ({ requestId }) =>
    page.send('Fetch.fulfillRequest', {
      ...{ requestId, responseCode: 200, body: Buffer.from(html).toString('base64') },
      responseHeaders: [{ name: 'content-type', value: 'text/html' }],
    }),
  );
  await page.send('Fetch.enable', { patterns: [{ urlPattern: `${pageUrl}*` }] });
  await page.send('Page.enable');
  await page.send('Page.navigate', { url: pageUrl });
  await loaded;
  async function evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await page.send<{ result: { value: T }; exceptionDetails?: object }>(
      'Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true },
    );
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }
  return {
    call: (name, ...args) => evaluate(`inPage[${JSON.stringify(name)}](...${JSON.stringify(args)})`),
    visibility: () => evaluate('document.visibilityState'),
    async hide() {
      const { windowId } = await session.send('Browser.getWindowForTarget', { targetId });
      await session.send('Browser.setWindowBounds', { windowId, bounds: { windowState: 'minimized' } });
    },
    async close() {
      await session.send('Target.disposeBrowserContext', { browserContextId });
    },
  };
}
