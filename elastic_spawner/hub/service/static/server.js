// One server: its plan, the form that begins a move, and the steps of the move as they happen.

import { ask, page, refusal, renew, repeat } from "./common.js";
import { follow } from "./progress.js";

const byId = (id) => document.getElementById(id);
const api = `api/servers/${page.server}`;
const parts = `parts/servers/${page.server}`;
const form = byId("resize");
const refused = byId("refused");
const MAX_NAMES = 10;
let following = false;
let shown = lastMove();  // the end of the last move that whoever looks has seen

// When the last move ended; empty without one, or while one goes on.
function lastMove() {
  return byId("summary").querySelector("[data-state]")?.dataset.moved ?? "";
}

async function renewSummary() {
  await renew(byId("summary"), `${parts}/summary`);
  return byId("summary").querySelector("[data-state]").dataset.state;
}

async function renewPlan(state) {
  const plan = byId("plan");
  if (state === "stopped") {
    plan.innerHTML = '<p class="empty">The server does not run. Its last checkpoint is restored when it starts.</p>';
  } else {
    plan.setAttribute("aria-busy", "true");
    await renew(plan, `${parts}/plan`, { showsRefusal: true });
  }
  plan.setAttribute("aria-busy", "false");
  if (!form) return;
  const names = [...plan.querySelectorAll(".losses li > code:first-child")].map((code) => code.textContent);
  const losing = names.slice(0, MAX_NAMES).join(", ") + (names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : "");
  byId("accept").hidden = !names.length;
  // What was accepted is the loss of those variables that stood there then, and of no others.
  if (byId("losing").textContent !== losing) form.elements.accept.checked = false;
  byId("losing").textContent = losing;
}

async function renewOutcome() {
  try {
    await renew(byId("outcome"), `${parts}/outcome`);
    byId("outcome-section").hidden = !byId("outcome").querySelector("article");
  } catch {
    byId("outcome-section").hidden = true;  // no server, no report
  }
}

async function followMove() {
  if (following) return;
  following = true;
  if (form) form.querySelector("button").disabled = true;
  await follow(`${api}/progress`, () => {
    byId("outcome-section").hidden = true;  // it tells of an earlier start
    renewSummary().catch(() => {});  // the next step, or the end of the move, renews it too
  });
  following = false;
  if (form) form.querySelector("button").disabled = false;
  const state = await renewSummary();
  shown = lastMove();
  await Promise.all([renewOutcome(), renewPlan(state)]);
  const lost = byId("outcome").querySelectorAll(".fate.lost").length;
  if (lost && !byId("outcome-section").hidden) {
    byId("end").classList.replace("good", "mixed");
    byId("end").append(` ${lost} variable${lost === 1 ? "" : "s"} did not come back: see below.`);
  }
}

function show(message, field) {
  refused.textContent = message;
  refused.hidden = !message;
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

// What was typed, as the API wants it; null, with the reason shown, when it makes no sense.
function wanted() {
  const { memory, cpus, deadline_s: deadline, on_busy: onBusy, accept } = form.elements;
  for (const field of [cpus, deadline]) {
    if (field.validity.badInput || field.validity.rangeUnderflow || field.validity.rangeOverflow) {
      return show(field.validationMessage, field) ?? null;
    }
  }
  if (!memory.value.trim() && !cpus.value) return show("Give a size: memory, CPUs, or both.", memory) ?? null;
  if (!byId("accept").hidden && !accept.checked) {
    return show("Tick the box above if the variables that would be lost may be lost.", accept) ?? null;
  }
  const accepted = !byId("accept").hidden && accept.checked;
  const body = { on_busy: onBusy.value, on_loss: accepted ? "accept" : "refuse" };
  if (memory.value.trim() && memory.value.trim() !== "unlimited") body.memory = memory.value.trim();
  if (cpus.value) body.cpus = Number(cpus.value);
  if (deadline.value) body.deadline_s = Number(deadline.value);
  return body;
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  show("");
  const body = wanted();
  if (!body || following) return;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await ask(`${api}/resize`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw await refusal(response);
  } catch (error) {
    show(error.message, error.status === 400 ? form.elements.memory : undefined);
    button.disabled = false;
    return;
  }
  byId("move").hidden = false;
  byId("move-title").focus();
  byId("move").scrollIntoView({ block: "nearest" });
  await followMove();
});

byId("again").addEventListener("click", async () => renewPlan(await renewSummary()));

repeat(async () => {
  // Somebody else may have begun a move, and a short one may be over by now: its end is told all the same.
  if (following) return;
  const state = await renewSummary();
  if (!following && (state === "moving" || (lastMove() && lastMove() !== shown))) followMove();
}, 4000);

if (page.state === "moving") followMove();
else renewOutcome();
renewPlan(page.state);
