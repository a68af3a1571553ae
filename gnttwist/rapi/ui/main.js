// One page of a cluster: loaded once, kept up by the stream of events.

import { Refused, ask, follow, signIn, signOut } from "./api.js";
import { byId, confirmed, over, showHealth, showInstances, showJobs, showLocks, showNodes } from "./view.js";

const JOBS_SHOWN = 50;
const LINES_SHOWN = 200;
const BURST = 300; // milliseconds in which changes are gathered
const RELAX = 2000; // milliseconds between two times that everything is asked for, however much changes
const AGAIN = 1500; // milliseconds until a broken connection is tried again
const USAGE_EVERY = 30000; // milliseconds: what nodes use changes without an event

const place = { id: null, may: new Set() };
const state = { info: {}, nodes: new Map(), instances: new Map(), jobs: new Map() };
let ending = null;
let gathering = null;
let refreshing = false;
let refreshed = -RELAX;
let stale = false;

const named = (list) => new Map(list.map((each) => [each.name, each]));

function trim() {
  const ids = [...state.jobs.keys()].sort((a, b) => b - a);
  for (const id of ids.slice(JOBS_SHOWN)) if (over(state.jobs.get(id).status)) state.jobs.delete(id);
}

async function load() {
  const [info, nodes, instances, jobs] = await Promise.all(
    ["/2/info", "/2/nodes?bulk=1", "/2/instances?bulk=1", "/2/jobs?bulk=1"].map((path) => ask("GET", path)));
  const before = state.jobs;
  Object.assign(state, { info, nodes: named(nodes), instances: named(instances),
    jobs: new Map(jobs.map((job) => [job.id, { ...before.get(job.id), ...job }])) });
  trim();
  const active = jobs.filter((job) => !over(job.status)).slice(0, JOBS_SHOWN);
  await Promise.all([loadLocks(), ...active.map((job) => loadLog(job.id))]);
  show(new Set(state.jobs.keys()));
}

// What a job has said since it began: events bring only what is new.
async function loadLog(id) {
  const { oplog } = await ask("GET", `/2/jobs/${id}`);
  const job = state.jobs.get(id);
  if (!job) return;
  const all = (oplog ?? []).flat().map(([serial, , , payload]) => [serial, payload]).concat([...job.lines ?? []]);
  job.lines = new Map([...new Map(all)].sort(([a], [b]) => a - b).slice(-LINES_SHOWN));
  job.whole = true;
}

async function log(id) {
  try {
    await loadLog(id);
    showJobs(state.jobs, new Set([id]), actions, place.may);
  } catch (reason) { notice(reason); }
}

async function loadLocks() {
  try {
    const { data } = await ask("GET", "/2/query/lock?fields=name,mode,owner,pending");
    const rows = data.map((row) => row.map(([, value]) => value));
    showLocks(rows.filter((row) => row[3]?.length).map(([name, , owner, pending]) =>
      ({ name, owner: owner ?? [], pending: pending.map(([, jobs]) => jobs.join(", ")).join("; ") })));
  } catch (reason) {
    // A user may see the cluster and not its locks.
    if (!(reason instanceof Refused && reason.status === 403)) throw reason;
    byId("locks").textContent = "This user may not see them.";
  }
}

function show(changed) {
  showNodes(state.nodes);
  showInstances(state.instances, act, place.may);
  showJobs(state.jobs, changed, actions, place.may);
  showHealth(state.info, state.nodes, state.instances, state.jobs);
}

function later() {
  stale = true;
  if (refreshing) return;
  gathering ??= setTimeout(async () => {
    gathering = null;
    refreshing = true;
    stale = false;
    try { await refresh(); } catch (reason) { if (!moved(reason)) notice(reason); }
    refreshing = false;
    refreshed = performance.now();
    if (stale) later();
  }, Math.max(BURST, RELAX - (performance.now() - refreshed)));
}

// Changes of one burst are asked for together: where a node or an instance changed, the numbers of others did too.
async function refresh() {
  const [info, nodes, instances] = await Promise.all(
    ["/2/info", "/2/nodes?bulk=1", "/2/instances?bulk=1"].map((path) => ask("GET", path)));
  Object.assign(state, { info, nodes: named(nodes), instances: named(instances) });
  await loadLocks();
  show(new Set());
}

async function tell(name, data) {
  if (name === "begin" || name === "snapshot") await load();
  byId("connection").textContent = "Live";
  for (const { log, ...job } of data.jobs ?? []) {
    const lines = state.jobs.get(job.id)?.lines ?? new Map();
    for (const { serial, payload } of log) lines.set(serial, payload);
    for (const serial of [...lines.keys()].slice(0, -LINES_SHOWN)) lines.delete(serial);
    state.jobs.set(job.id, { whole: !state.jobs.has(job.id), ...state.jobs.get(job.id), ...job, lines });
  }
  if (data.jobs) {
    trim();
    showJobs(state.jobs, new Set(data.jobs.map((job) => job.id)), actions, place.may);
  }
  later();
}

function notice(reason) { byId("notice").textContent = reason instanceof Error ? reason.message : reason; }

const pause = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

async function stay(signal) {
  place.id = null;
  while (!signal.aborted) {
    try {
      await follow(place, signal, tell);
    } catch (reason) {
      if (signal.aborted) return;
      if (moved(reason)) return undefined;
      if (reason instanceof Refused && [401, 403].includes(reason.status)) return leave(reason.message);
    }
    byId("connection").textContent = "Connection lost; trying again";
    await pause(AGAIN);
  }
}

// The page is sent on as everything else is; the new master's asks to sign in again.
function moved(reason) {
  const elsewhere = reason instanceof Refused && reason.status === 307;
  if (elsewhere) location.reload();
  return elsewhere;
}

function leave(text) {
  ending?.abort();
  signOut();
  byId("board").hidden = true;
  byId("sign-in").hidden = false;
  byId("sign-in-error").textContent = text;
  byId("password").value = "";
  byId("user").focus();
}

async function change(question, method, path) {
  if (!await confirmed(question)) return;
  try {
    const answer = await ask(method, path);
    notice(Array.isArray(answer) && answer[0] === false ? answer[1] : "");
  } catch (reason) { notice(reason); }
}

const act = (verb, name, instance) =>
  change(`${name} the instance ${instance}?`, verb === "reboot" ? "POST" : "PUT", `/2/instances/${encodeURIComponent(instance)}/${verb}`);
const cancel = (job) => change(`Cancel job ${job}?`, "DELETE", `/2/jobs/${job}`);
const actions = { cancel, log };

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  signIn(byId("user").value, byId("password").value);
  byId("sign-in-error").textContent = "";
  try {
    await ask("GET", "/2/info");
  } catch (reason) {
    leave(reason.message);
    return;
  }
  byId("password").value = "";
  byId("sign-in").hidden = true;
  byId("board").hidden = false;
  ending = new AbortController();
  stay(ending.signal);
});
byId("sign-out").addEventListener("click", () => { leave(""); location.reload(); });
setInterval(() => { if (!byId("board").hidden && !document.hidden) later(); }, USAGE_EVERY);
