// node example.mjs usage/ [URL]: renders through a cache of its own, and says what each request was.
import { deriveKey } from './fingerprint.mjs';
import { EventLog, metered, request } from './events.mjs';

const [folder = 'usage', url] = process.argv.slice(2);
const secret = deriveKey(process.env.AUDITOR_SECRET ?? 'change me');
const scope = { provider: 'imejis', account: 'main', environment: 'production', secret };
const log = new EventLog(folder);
const cache = new Map();
const flights = new Map();

// Stands for fetch(`${url}/v1/og-card`, …) where no address is given.
async function call(overrides) {
  if (!url) return { status: overrides.title === 'broken' ? 404 : 200, body: Buffer.from(`image of ${overrides.title}`) };
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(overrides), signal: AbortSignal.timeout(30_000) });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}

async function render(overrides) {
  const event = request(scope, 'og-card', overrides, { format: 'png' });
  if (cache.has(event.key)) {
    log.write({ ...event, outcome: 'hit' });
    return cache.get(event.key);
  }
  if (flights.has(event.key)) {
    const shared = await flights.get(event.key).catch(() => null);
    log.write(shared ? { ...event, outcome: 'coalesced' } : { ...event, outcome: 'error', error: 'other', credits: 0 });
    return shared;
  }
  const flight = metered(log, event, () => call(overrides)).finally(() => flights.delete(event.key));
  flights.set(event.key, flight);
  const body = await flight;
  if (body) cache.set(event.key, body);
  return body;
}

await Promise.all([render({ title: 'Post 1' }), render({ title: 'Post 1' }), render({ title: 'Post 2' })]);
await render({ title: 'Post 1' });
await render({ title: 'broken' });
log.close();
