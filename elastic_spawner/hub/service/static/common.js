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

// Replace what is in an element by a part that the server renders, and escapes; return whether it changed.
// A refusal is shown in its place when `showsRefusal` is set, and thrown otherwise.
export async function renew(element, path, { showsRefusal = false } = {}) {
  const response = await ask(path);
  const text = await response.text();
  if (!response.ok && !showsRefusal) {
    const part = new DOMParser().parseFromString(text, "text/html");
    throw new Refused(response.status, part.body.textContent.trim() || `The service answered ${response.status}.`);
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
