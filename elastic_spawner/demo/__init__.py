"""The whole chain on one machine: a hub, a user, a notebook, a resize, and what became of every variable."""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

NEEDED = ("jupyterhub", "jupyterlab", "nbformat", "requests", "websocket", "sklearn")


def find_notebook() -> Path:
    """The demo's notebook: beside this file when installed, under examples/ in a checkout."""
    here = Path(__file__).resolve()
    installed = here.with_name("demo.ipynb")
    return installed if installed.exists() else here.parents[2] / "examples" / "notebooks" / "demo.ipynb"


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="elastic-spawner demo",
        description="Start a hub, run a notebook in it, resize the server, and show what became of every variable.",
    )
    parser.add_argument("--notebook", type=Path, metavar="FILE", help="run this notebook instead of the demo's")
    parser.add_argument(
        "--memory", default="3G", help="the memory to resize to (it starts with 2G; default: %(default)s)"
    )
    parser.add_argument("--cpus", type=float, help="the CPUs to resize to (it starts with 1)")
    parser.add_argument("--keep", action="store_true", help="leave the hub running afterwards, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return parser.parse_args(argv)


def fail(message: str, status: int = 1) -> int:
    print(f"elastic-spawner demo: {message}", file=sys.stderr)
    return status


def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns the exit status: 0 all went well, 1 it did not (and says why), 2 bad input."""
    args = parse(argv)
    if not sys.platform.startswith("linux"):
        return fail("ElasticLocalSpawner's limits need Linux")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        return fail(f"{', '.join(missing)} missing: pip install 'elastic-spawner[demo]' (or use `make demo`)")
    from .hub import DemoError  # needs what was just looked for
    from .report import show
    from .run import read_notebook, run

    try:
        notebook = read_notebook(args.notebook or find_notebook())
    except (OSError, ValueError) as error:
        return fail(str(error), 2)

    def terminated(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)
    say = (lambda text: print(text, file=sys.stderr, flush=True)) if args.json else (lambda t: print(t, flush=True))
    size = {"memory": args.memory} | ({"cpus": args.cpus} if args.cpus is not None else {})
    try:
        with run(notebook, size, say) as (result, hub):
            print(json.dumps(result.to_json(), indent=2) if args.json else show(result), flush=True)
            if args.keep:
                say(f"\nThe hub is at {hub.url}; log in as {hub.user!r}, whose notebook it is, or as {hub.admin!r}.")
                say(f"The password of both is {hub.password}. The admin's page: {hub.url}/services/elastic/.")
                say("Ctrl-C ends and removes everything.")
                _wait_for_interrupt()
            return 1 if result.broken else 0
    except DemoError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return fail("interrupted; everything that was started is ended", 130)


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(file=sys.stderr)
