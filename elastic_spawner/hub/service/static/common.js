// What both pages need: requests that carry the XSRF token, and parts of the page that the server renders.

export const page = document.body.dataset;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Ask the service. JupyterHub takes its cookie from a script only together with the XSRF token.
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(page.prefix + path, {
      ...options,
      headers: { "X-XSRFToken": page.xsrf, ...options.headers },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
  } catch {
    throw new Refused(0, "The service does not answer. This page tries again.");
  }
  return response;
}

// What a refusal says: ours are JSON or a note; anything else comes from somebody in between, such as the proxy.
export async function refusal(response, text) {
  text ??= await response.text();
  let message;
  try {
    message = JSON.parse(text).error.message;
  } catch {
    message = new DOMParser().parseFromString(text, "text/html").querySelector("body > .note:only-child")?.textContent;
  }
  const silent = [502, 503, 504].includes(response.status) ? "The service does not answer now." : null;
  // 0: it was not the service that refused, so trying again may help.
  return new Refused(message ? response.status : 0, message ?? silent ?? `The service answered ${response.status}.`);
}

// Replace what is in an element by a part that the server renders, and escapes; return whether it changed.
// A refusal is shown in its place when `showsRefusal` is set, and thrown otherwise.
export async function renew(element, path, { showsRefusal = false } = {}) {
  const response = await ask(path);
  const text = await response.text();
  if (!response.ok) {
    const refused = await refusal(response, text);
    if (!showsRefusal) throw refused;
    const note = Object.assign(document.createElement("p"), { className: "note bad", textContent: refused.message });
    element.renderedFrom = undefined;
    element.replaceChildren(note);
    return true;
  }
  if (element.renderedFrom === text) return false;
  element.renderedFrom = text;
  const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const part = new DOMParser().parseFromString(text, "text/html");
  element.replaceChildren(...part.body.childNodes);
  if (focused) element.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  return true;
}

const trouble = document.getElementById("trouble");

export function showTrouble(message) {
  if (trouble.textContent !== message) trouble.textContent = message;
  trouble.hidden = !message;
}

// Run a task now and then, as long as somebody looks; one at a time.
export function repeat(task, milliseconds) {
  const run = async () => {
    if (!document.hidden) {
      try {
        await task();
        showTrouble("");
      } catch (error) {
        showTrouble(error.message);
      }
    }
    setTimeout(run, milliseconds);
  };
  setTimeout(run, milliseconds);
}
