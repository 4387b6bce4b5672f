// The steps of a move, live.

import { Refused, ask, refusal } from "./common.js";

const byId = (id) => document.getElementById(id);
const steps = byId("steps");
const bar = byId("bar");

// Server-sent events by fetch: an EventSource cannot send the XSRF token.
async function* events(path) {
  const response = await ask(path, { headers: { Accept: "text/event-stream" } });
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const event of whole) {
      const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (event.startsWith("event: error")) throw new Refused(502, JSON.parse(data).message);
      yield JSON.parse(data);
    }
  }
}

// Follow a move to its end; a connection that breaks (the hub is restarted, say) is made again.
export async function follow(path, onStep) {
  byId("move").hidden = false;
  byId("end").hidden = true;
  for (;;) {
    try {
      const story = new Story();
      for await (const event of events(path)) {
        if (story.tell(event)) onStep();
        if (event.done) return event;
      }
    } catch (error) {
      byId("now").textContent = error.message;
      if (error instanceof Refused && [401, 403, 404].includes(error.status)) {
        end(error.message, false);
        return null;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
}

class Story {
  constructor() {
    steps.replaceChildren();
    bar.value = 0;
    this.began = 0;
  }

  // Show an event; return whether a step has begun with it.
  tell(event) {
    if (event.step === "idle") {
      byId("move").hidden = true;
      return false;
    }
    bar.value = event.progress;
    bar.textContent = `${event.progress} %`;
    if (event.done) {
      this.leave(event, event.failed && event.step !== "undone" ? "failed" : "");
      end(`${event.message}. ${event.seconds.toFixed(1)} s in all.`, !event.failed);
      return false;
    }
    const entered = this.step !== event.step;
    if (entered) this.enter(event);
    this.item.firstChild.textContent = event.message;
    this.time(event);
    return entered;
  }

  // Each step takes until the next one begins.
  enter(event) {
    this.leave(event, "");
    this.step = event.step;
    this.began = event.seconds;
    this.item = document.createElement("li");
    this.item.append(document.createElement("span"), document.createElement("time"));
    this.item.className = "current";
    steps.append(this.item);
    byId("now").textContent = event.message;
  }

  leave(event, className) {
    if (!this.item) return;
    this.time(event);
    this.item.className = className;
  }

  time(event) {
    this.item.querySelector("time").textContent = `${Math.max(0, event.seconds - this.began).toFixed(1)} s`;
  }
}

function end(message, good) {
  const note = byId("end");
  // What is in parentheses after the end are remarks, such as a variable that did not come back.
  note.className = !good ? "note bad" : message.includes("(") ? "note" : "note good";
  note.textContent = message;
  note.hidden = false;
}
