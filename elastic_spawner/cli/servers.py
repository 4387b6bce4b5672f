"""``resize`` and ``status``: through the service of a hub."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .failure import Failure, bad_input
from .hub_api import HubApi, Unreachable
from .output import bytes_text, dict_of, dicts_of, moment_text, number_of, print_json, size_text, table, text_of

PATIENCE_S = 300.0
"""How long a move is followed without an answer from the hub, which may be restarting."""

RESTORING = ("restoring", "restoring_old")
PENDING = {"spawn": "starting", "stop": "stopping"}
FATES = ("lost", "recomputed", "pending", "loaded")


def status(options: argparse.Namespace) -> int:
    """List servers, or show one."""
    api = HubApi(options.hub_url, options.token, options.service)
    if options.server is None:
        servers = dicts_of(api.get("servers"))
        if options.json:
            print_json(servers)
        elif servers:
            print(table([_row(server) for server in servers], ("server", "state", "size", "node", "last checkpoint")))
        else:
            print("no server runs or has a checkpoint, as far as you may see")
        return 0
    path = _path(options.server)
    server = dict_of(api.get(path))
    if server.get("ready"):
        server["agent"] = api.get(path + "/status")
    if options.json:
        print_json(server)
    else:
        print(table([_row(server)], ("server", "state", "size", "node", "last checkpoint")))
        for kernel in dicts_of(dict_of(server.get("agent")).get("kernels")):
            print(f"\n{_kernel(kernel)}")
    return 0


def resize(options: argparse.Namespace) -> int:
    """Begin a move, follow it, and show what became of the variables."""
    path = _path(options.server)
    body = {
        name: value
        for name, value in (
            ("memory", options.memory),
            ("cpus", options.cpus),
            ("on_busy", options.on_busy),
            ("on_loss", "accept" if options.accept_loss else None),
            ("deadline_s", options.deadline),
        )
        if value is not None
    }
    if options.memory is None and options.cpus is None:
        raise bad_input("give a size: --memory 2G, --cpus 2, or both")
    api = HubApi(options.hub_url, options.token, options.service)
    answer: dict[str, Any] = dict_of(api.post(path + "/resize", body))
    if options.no_wait:
        _print_begun(options, answer)
        return 0
    steps = _follow(api, path, quiet=options.json)
    end = steps[-1]
    kernels = _restored(api, path) if any(step["step"] in RESTORING for step in steps) else []
    if options.json:
        print_json({**answer, "server": options.server, **end, "steps": steps, "kernels": kernels})
    else:
        for kernel in kernels:
            print(f"\n{_outcome(kernel)}")
    if end["failed"]:
        raise Failure(str(end["message"]))
    return 0


def _print_begun(options: argparse.Namespace, answer: dict[str, Any]) -> None:
    if options.json:
        print_json({**answer, "server": options.server})
    else:
        print(f"move {text_of(answer.get('migration'))} has begun; see elastic-spawner status {options.server}")


def _path(name: str) -> str:
    user, slash, server = name.partition("/")
    if not user or (slash and not server) or "/" in server:
        raise bad_input(f"{name!r} is no server: give USER, or USER/SERVER for one with a name")
    return f"servers/{quote(user, safe='')}/{quote(server or '-', safe='')}"


# -- following a move --------------------------------------------------------------------------------------------------


def _follow(api: HubApi, path: str, quiet: bool) -> list[dict[str, Any]]:
    """Follow the move to its end, telling each step; returns the last event of each step."""
    steps: list[dict[str, Any]] = []
    for event in _events(api, path + "/progress"):
        again = bool(steps) and steps[-1]["step"] == event["step"]
        if again:
            steps.pop()
        elif any(step["step"] == event["step"] and step["seconds"] == event["seconds"] for step in steps):
            continue  # told before the connection broke
        elif not quiet:
            _tell(steps[-1] if steps else None, event)
        steps.append(event)
        if event["done"]:
            return steps
    raise Failure("the move ended without saying how: see elastic-spawner status")


def _events(api: HubApi, path: str) -> Iterator[dict[str, Any]]:
    """The events of a move; a connection that breaks is made again for a while."""
    heard = time.monotonic()
    while True:
        try:
            for event in api.events(path):
                heard = time.monotonic()
                if not isinstance(event, dict) or not {"step", "message", "seconds", "failed", "done"} <= set(event):
                    raise Failure("the hub tells of the move in a way that this version does not know")
                yield event
                if event["done"]:
                    return
        except Unreachable as error:
            if time.monotonic() - heard > PATIENCE_S:
                raise Failure(f"{error}. The move goes on in the hub: see elastic-spawner status") from error
        time.sleep(1)


def _tell(before: dict[str, Any] | None, event: dict[str, Any]) -> None:
    seconds = number_of(event["seconds"]) or 0.0
    if event["done"] and event["failed"]:
        return  # it is told on stderr
    print(f"{seconds:7.1f} s  {text_of(event['message'])}", flush=True)


def _restored(api: HubApi, path: str) -> list[dict[str, Any]]:
    """The restore report of each kernel; none, said on stderr, when the server does not tell."""
    try:
        kernels = dicts_of(dict_of(api.get(path + "/status")).get("kernels"))
    except Failure as error:
        print(f"elastic-spawner: what became of the variables is not known: {text_of(str(error))}", file=sys.stderr)
        return []
    return [{k: kernel.get(k) for k in ("id", "path", "restore")} for kernel in kernels if kernel.get("restore")]


# -- in words ----------------------------------------------------------------------------------------------------------


def _row(server: dict[str, Any]) -> tuple[str, ...]:
    checkpoint, move = dict_of(server.get("last_checkpoint")), dict_of(server.get("migration"))
    if move and not move.get("done", True):
        state = f"resizing: {text_of(move.get('step'))}"
    else:
        pending = text_of(server.get("pending"))
        state = PENDING.get(pending, pending) or ("running" if server.get("ready") else "stopped")
    name = text_of(server.get("user")) + (f"/{text_of(server['server'])}" if server.get("server") else "")
    made = moment_text(number_of(checkpoint.get("created")))
    size = bytes_text(number_of(checkpoint.get("bytes")))
    return (
        name,
        state,
        size_text(dict_of(server.get("size"))),
        text_of(server.get("node")) or "-",
        f"{made} {size}".strip() or "none",
    )


def _label(kernel: dict[str, Any]) -> str:
    return text_of(kernel.get("path")) or f"kernel {text_of(kernel.get('id'))}"


def _kernel(kernel: dict[str, Any]) -> str:
    size = bytes_text(number_of(kernel.get("bytes")))
    lines = [
        f"{_label(kernel)}: {text_of(kernel.get('execution_state'))}, {text_of(kernel.get('name'))}, "
        f"{text_of(kernel.get('variables')) or '?'} variables{', ' + size if size else ''}"
    ]
    if kernel.get("problem"):
        lines.append(f"  not saved: {text_of(kernel['problem'])}")
    lines += [f"  {text_of(warning)}" for warning in kernel.get("warnings") or [] if isinstance(warning, str)]
    if kernel.get("restore"):
        lines.append(_indent(_outcome(kernel).partition("\n")[0].removeprefix(f"{_label(kernel)}: ")))
    return "\n".join(lines)


def _outcome(kernel: dict[str, Any]) -> str:
    """What became of one kernel's variables; those that need attention come first."""
    restore = dict_of(kernel.get("restore"))
    variables = {text_of(name): dict_of(fate) for name, fate in dict_of(restore.get("variables")).items()}
    ordered = sorted(
        variables.items(), key=lambda v: (FATES.index(v[1]["status"]) if v[1].get("status") in FATES else 0, v[0])
    )
    numbers = {fate: sum(f.get("status") == fate for _, f in ordered) for fate in reversed(FATES)}
    counts = [f"{number} {fate}" for fate, number in numbers.items() if number or fate != "pending"]
    state, reason = text_of(restore.get("status")), text_of(restore.get("reason"))
    lines = [f"{_label(kernel)}: {state}{': ' + reason if reason else ''}"]
    if ordered:
        lines[0] += f" ({', '.join(counts)})"
        rows = [(name, text_of(fate.get("status")), _why(fate)) for name, fate in ordered]
        lines.append(_indent(table(rows, ("variable", "became", "why"))))
    lines += [f"  note: {text_of(note)}" for note in restore.get("notes") or [] if isinstance(note, str)]
    return "\n".join(lines)


def _why(fate: dict[str, Any]) -> str:
    cell, cure = text_of(fate.get("cell")), text_of(fate.get("cure"))
    parts = (text_of(fate.get("reason")), f"[cell {cell}]" if cell else "", f"to have it back, {cure}" if cure else "")
    return " ".join(filter(None, parts))


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
