"""What the agent asks of a kernel, as one function over JSON: it reaches us by silent execute requests only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import WouldLose
from . import session as sessions


def call(method: str, params: str = "{}") -> str:
    """Run ``method`` with JSON parameters.

    Returns ``{"ok": true, "result"}`` or ``{"ok": false, "error": {"type", "message"}}``, as text.

    A request that comes up after its ``not_after`` (seconds since the epoch) is answered with the error ``Expired`` and
    does nothing: who asked has given up.
    """
    try:
        sessions.expected()
        values = json.loads(params)
        not_after = values.pop("not_after", None)
        if not_after is not None and time.time() > not_after:
            return _error("Expired", "the request waited behind a running cell for too long; nothing was done")
        handler = _METHODS.get(method)
        if handler is None:
            return _error("UnknownMethod", f"{method!r} is none of {', '.join(_METHODS)}")
        return json.dumps({"ok": True, "result": handler(**values)})
    except KeyboardInterrupt:
        return _error("Interrupted", "the request was interrupted; nothing was changed")
    except WouldLose as e:
        return _error("WouldLose", str(e), lost=e.lost)
    except Exception as e:
        return _error(type(e).__name__, str(e))


def _error(kind: str, message: str, **more: Any) -> str:
    return json.dumps({"ok": False, "error": {"type": kind, "message": message, **more}})


def _status() -> dict[str, Any]:
    return sessions.current().status()


def _plan() -> dict[str, Any]:
    summary: dict[str, Any] = sessions.current().prepare().summary()
    return summary


def _checkpoint(
    url: str,
    session: str,
    key: str,
    deadline_s: float | None = None,
    accept_loss: bool = True,
    encrypt: str = "no",
    gives_way: bool = False,
) -> dict[str, Any]:
    return sessions.current().checkpoint(url, session, bytes.fromhex(key), deadline_s, accept_loss, encrypt, gives_way)


def _restore(
    url: str, session: str, key: str, generation: int | None = None, notes: Sequence[str] = ()
) -> dict[str, Any]:
    current = sessions.current()
    report = current.restore(url, session, bytes.fromhex(key), generation, behind=True)
    report.notes += notes
    current.unseen = report
    return {**report.to_dict(), "execution_count": current.stage.shell.execution_count}


def _tell(notes: Sequence[str]) -> dict[str, Any]:
    sessions.current().news += notes
    return {}


_METHODS: dict[str, Callable[..., dict[str, Any]]] = {
    "status": _status,
    "plan": _plan,
    "checkpoint": _checkpoint,
    "restore": _restore,
    "tell": _tell,
}
