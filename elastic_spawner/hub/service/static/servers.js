// The list of servers: renews itself, and finds by name.

import { renew, repeat } from "./common.js";

const list = document.getElementById("servers");
const find = document.getElementById("find");
const found = document.getElementById("found");

function filter() {
  const wanted = find.value.trim().toLowerCase();
  const rows = [...list.querySelectorAll("tbody tr")];
  for (const row of rows) row.hidden = !row.dataset.name.toLowerCase().includes(wanted);
  const count = rows.filter((row) => !row.hidden).length;
  const message = wanted ? `${count} of ${rows.length} servers` : "";
  if (found.textContent !== message) found.textContent = message;
}

if (find) {
  find.closest("label").hidden = false;
  find.addEventListener("input", filter);
}

repeat(async () => {
  if ((await renew(list, "parts/servers")) && find) filter();
}, 4000);
