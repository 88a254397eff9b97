/**
 * Chromium and Firefox, the distribution's, driven by Playwright; WebKit by `webkit.mjs`. Each opens the relay's page and
 * waits for the report that it posts.
 */
import { chromium as chromiumDriver, firefox as firefoxDriver } from 'playwright';
import { program } from './apt.mjs';
import { startRelay } from './relay.mjs';
import { openWebKit } from './webkit.mjs';

/** No traffic but ours: nothing is looked up, updated or reported. */
const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
];

export const chromium = browser('Chromium', async (url) => {
  const opened = await chromiumDriver.launch({ executablePath: program('chromium'), args: CHROMIUM_ARGS });
  return playwrightPage(opened, url);
});

export const firefox = browser('Firefox', async (url) => {
  const opened = await firefoxDriver.launch({
    channel: 'moz-firefox',
    executablePath: program('firefox-esr'),
    // Both keep it from asking Mozilla's servers for settings.
    env: { ...process.env, MOZ_REMOTE_SETTINGS_DEVTOOLS: '1' },
    firefoxUserPrefs: { 'services.settings.server': 'data:,#remote-settings-dummy/v1' },
  });
  return playwrightPage(opened, url);
});

export const webkit = browser('WebKit', openWebKit);

/** A runtime that is a page. `open(url)` answers with the browser's version and how to close it. */
function browser(title, open) {
  return async (bundles, { deadlineMs, gateways }) => {
    const relay = await startRelay(bundles.web);
    let page;
    let timer;
    try {
      page = await open(`${relay.url}#${gateways}`);
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no report within ${deadlineMs} ms`)), deadlineMs);
      });
      const report = await Promise.race([relay.report, late]);
      return { ...report, runtime: `${title} ${page.version}` };
    } finally {
      clearTimeout(timer);
      await page?.close();
      await relay.close();
    }
  };
}

async function playwrightPage(opened, url) {
  try {
    const page = await opened.newPage();
    await page.goto(url);
    return { version: opened.version(), close: () => opened.close() };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
