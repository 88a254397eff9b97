/** What a page asks the demo's own process for, because no cluster can do it: who the gateways are, kill, start again. */

/** What a visitor is told. */
export interface Welcome {
  name: string;
  colour: string;
  /** URLs, the preferred first. */
  gateways: string[];
  /** The demo's members, running or not. */
  members: { id: string; name: string; gateway: boolean }[];
}

const RETRY_MS = 500;

const post = (path: string) =>
  fetch(path, { method: 'POST', headers: { authorization: `Bearer ${location.hash.slice(1)}` } });

/** Introduces this tab to the demo, as soon as that has started. @throws when the page's URL is not whole. */
export async function visit(): Promise<Welcome> {
  for (;;) {
    const response = await post('/visitors').catch(() => undefined);
    if (response?.ok) return response.json();
    if (response?.status === 403)
      throw new Error('Open the whole address that the demo has printed, with what is behind #.');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Kills a member of the demo or starts it again. @returns what went wrong, in words. */
export async function command(name: string, verb: 'kill' | 'start'): Promise<string | undefined> {
  const response = await post(`/members/${name}/${verb}`).catch(() => undefined);
  if (!response) return 'The demo does not run any more.';
  if (response.status === 409) return verb === 'kill' ? `${name} does not run.` : `${name} runs already.`;
  return response.ok ? undefined : `The demo has refused (${response.status}).`;
}
