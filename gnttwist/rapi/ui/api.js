// The remote API, as a user whose password is in this module's memory only.

const SILENCE = 40000; // milliseconds without even a heartbeat, which comes every 15 s: the connection is dead

let authorization = null;

export class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

export function signIn(user, password) {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  authorization = `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

export function signOut() { authorization = null; }

async function open(path, options = {}) {
  // Without the browser's own credentials, and so without its own dialog for a password.
  const response = await fetch(path, {
    ...options, credentials: "omit", cache: "no-store", redirect: "manual",
    headers: { ...options.headers, Authorization: authorization },
  });
  if (response.type === "opaqueredirect") throw new Refused(307, "The master is another node now: reload the page.");
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw new Refused(response.status, told.explain || told.message || `status ${response.status}`);
  }
  return response;
}

export async function ask(method, path) { return (await open(path, { method })).json(); }

// Calls tell(name, data) for each event; returns when the connection ends. place.id is where to go on,
// place.may what the user may do.
export async function follow(place, signal, tell) {
  const headers = place.id ? { "Last-Event-ID": place.id } : {};
  const response = await open("/2/events", { headers, signal });
  place.may = new Set((response.headers.get("Gnt-Permissions") ?? "").split(","));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const silent = setTimeout(() => reader.cancel(), SILENCE);
    const { value, done } = await reader.read();
    clearTimeout(silent);
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const found = {};
      for (const line of block.split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) found[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (found.data === undefined) continue;
      await tell(found.event, JSON.parse(found.data));
      if (found.id) place.id = found.id; // progress alone has none
    }
  }
}
