"""The command line: ``elastic-spawner resize | status | inspect | verify | gc | demo``.

Exit status: 0 it is done, 1 it did not go through (one line on stderr says why), 2 bad input (the line says what to
give). ``resize`` and ``status`` talk to the resize service of a hub; ``inspect``, ``verify`` and ``gc`` look at
checkpoints in their store, and never unpickle anything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .failure import Failure, as_failure
from .output import printable
from .parser import build_parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["demo"]:  # has options of its own, and needs what nothing else here does
        return _demo(arguments[1:])
    options = build_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _say("interrupted; what the hub was asked to do goes on there", 130)
    except BrokenPipeError:  # `elastic-spawner ... | head`
        sys.stderr.close()
        return 0
    except Exception as error:
        failure = as_failure(error)
        if failure is None:
            raise
        return _say(str(failure), failure.status)


def _demo(arguments: list[str]) -> int:
    try:
        from ..demo import main as demo
    except ImportError as error:
        return _say(f"the demo needs more packages ({error}): pip install 'elastic-spawner[demo]'", Failure.FAILED)
    return demo(arguments)


def _say(message: str, status: int) -> int:
    print(f"elastic-spawner: {printable(message)}", file=sys.stderr)
    return status
