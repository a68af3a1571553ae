// What is shown, made of elements and text only: nothing that was asked for is ever read as markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.map((each) => (each instanceof Node ? each : String(each))));
  return element;
}

const gib = (mib) => (mib / 1024).toFixed(1);

function bar(label, total, free) {
  const cell = make("td");
  if (typeof total !== "number" || typeof free !== "number" || total <= 0) {
    cell.append("unknown");
    return cell;
  }
  const used = total - free;
  const text = `${gib(used)} / ${gib(total)} GiB`;
  cell.append(make("meter", { min: 0, max: total, high: total * 0.9, value: used, "aria-label": label, title: text }),
    make("small", {}, text));
  return cell;
}

function nodeState(node) {
  if (node.offline) return ["offline", "bad"];
  if (node.drained) return ["drained", "bad"];
  return [{ M: "master", C: "candidate", R: "regular" }[node.role] ?? "online", "good"];
}

// Replacing rows takes the keyboard's focus with them: it is given back to the same button.
function replace(list, rows) {
  const key = list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  list.replaceChildren(...rows);
  if (key !== null) [...list.querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === key)?.focus();
}

const sorted = (map) => [...map.values()].sort((a, b) => a.name.localeCompare(b.name));

export function showNodes(nodes) {
  replace(byId("nodes"), sorted(nodes).map((node) => {
    const [state, kind] = nodeState(node);
    return make("tr", {}, make("th", { scope: "row" }, node.name), make("td", { class: kind }, state),
      bar(`Memory used on ${node.name}`, node.mtotal, node.mfree),
      bar(`Disk used on ${node.name}`, node.dtotal, node.dfree),
      make("td", {}, node.pinst_cnt ?? "?", make("small", {}, `${node.sinst_cnt ?? "?"} secondary`)));
  }));
}

export function showInstances(instances, act, may) {
  replace(byId("instances"), sorted(instances).map((instance) => {
    const actions = make("td", { class: "actions" });
    const down = /down$/.test(instance.status);
    if (may.has("power")) for (const [verb, name] of down ? [["startup", "Start"]] : [["shutdown", "Stop"], ["reboot", "Reboot"]]) {
      actions.append(make("button", { type: "button", "aria-label": `${name} ${instance.name}`,
        onclick: () => act(verb, name, instance.name) }, name));
    }
    const good = instance.status === "running" || instance.status === "ADMIN_down";
    return make("tr", {}, make("th", { scope: "row" }, instance.name),
      make("td", { class: good ? "good" : "bad" }, instance.status ?? "unknown"),
      make("td", { class: "place" }, instance.pnode ?? "", make("small", {}, (instance.snodes ?? []).join(", "))), actions);
  }));
}

export function showHealth(info, nodes, instances, jobs) {
  byId("cluster").textContent = info.name;
  document.title = info.name;
  const away = [...nodes.values()].filter((each) => each.offline).length;
  const wrong = [...instances.values()].filter((each) => /^(ERROR|USER_down)/.test(each.status)).length;
  const active = [...jobs.values()].filter((each) => !over(each.status)).length;
  const facts = [["Master", info.master, ""], ["Nodes", nodes.size, ""], ["Offline", away, away ? "bad" : "good"],
    ["Instances", instances.size, ""], ["In a wrong state", wrong, wrong ? "bad" : "good"], ["Jobs under way", active, ""]];
  byId("health").replaceChildren(...facts.map(([name, value, kind]) =>
    make("div", {}, make("dt", {}, name), make("dd", { class: kind }, value))));
}

export const over = (status) => ["success", "error", "canceled"].includes(status);

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function jobRow(job, { cancel, log }, may) {
  const kind = job.status === "success" ? "good" : job.status === "error" ? "bad" : "";
  const row = make("li", { "data-job": job.id, "data-status": job.status }, make("strong", {}, `${job.id} `),
    (job.summary ?? []).join(", "), " ", make("span", { class: kind }, job.status), " ");
  if (may.has("jobs") && ["queued", "waiting"].includes(job.status)) {
    row.append(make("button", { type: "button", "aria-label": `Cancel job ${job.id}`, onclick: () => cancel(job.id) }, "Cancel"));
  }
  if (!job.whole && over(job.status)) {
    row.append(make("button", { type: "button", "aria-label": `Log of job ${job.id}`, onclick: () => log(job.id) }, "Log"));
  }
  if (!over(job.status)) {
    for (const [what, { done, total, unit }] of Object.entries(job.progress ?? {})) {
      const attributes = total ? { max: total, value: done } : {};
      row.append(make("div", {}, make("progress", { ...attributes, "aria-label": `${what} of job ${job.id}` }),
        ` ${what}: ${done} of ${total ?? "?"} ${unit ?? ""}`));
    }
  }
  if (job.lines?.size) row.append(make("pre", {}, [...job.lines.values()].map(text).join("\n")));
  return row;
}

export function showJobs(jobs, changed, actions, may) {
  const list = byId("jobs");
  const rows = [...jobs.values()].sort((a, b) => b.id - a.id);
  const old = new Map([...list.children].map((row) => [Number(row.dataset.job), row]));
  replace(list, rows.map((job) => (!changed.has(job.id) && old.get(job.id)) || jobRow(job, actions, may)));
}

export function showLocks(locks) {
  byId("locks").replaceChildren(...(locks.length ? locks : [null]).map((lock) => make("li", {}, lock === null
    ? "No job waits for a lock." : `${lock.name}: held by ${lock.owner.join(", ") || "nobody"}; ${lock.pending} wait`)));
}

export function confirmed(question) {
  const dialog = byId("confirm");
  byId("question").textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => {
      if (dialog.open) return; // The event of the question before, which comes a little after its end.
      dialog.removeEventListener("close", closed);
      resolve(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed);
  });
}
