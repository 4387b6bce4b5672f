"""Where a kernel lets somebody look at its variables past any cell: completion, inspection, expressions, silent code.

While something is still to come, whoever comes in there waits for it. Afterwards nothing is left here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

OURS = "elastic-spawner"
"""The user name in the header of the agent's messages: what they do themselves waits where it has to."""
_NAMES = ("do_execute", "do_complete", "do_inspect", "do_apply")


class Entrances:
    """The kernel's entrances while they are watched; ``wait`` waits, and raises KeyboardInterrupt."""

    def __init__(self, kernel: Any, wait: Callable[[], None]) -> None:
        self.kernel = kernel
        self._wait = wait
        self._mine: dict[str, Any] = {}
        self._before: dict[str, Any] = {}

    def watch(self) -> None:
        """Begin."""
        for name in _NAMES:
            original = getattr(self.kernel, name, None)
            if original is not None:
                self._before[name] = vars(self.kernel).get(name)
                self._mine[name] = self._execute(original) if name == "do_execute" else self._other(name, original)
                setattr(self.kernel, name, self._mine[name])

    def leave(self) -> None:
        """Take away what `watch` put there, unless somebody has put something over it."""
        for name, mine in self._mine.items():
            if vars(self.kernel).get(name) is mine:
                if self._before[name] is None:
                    delattr(self.kernel, name)
                else:
                    setattr(self.kernel, name, self._before[name])
        self._mine, self._before = {}, {}

    def _execute(self, original: Any) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        async def do_execute(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            silent = given.get("silent") and (given.get("code") or "").strip()
            if (silent or given.get("user_expressions")) and not self._is_ours():
                try:
                    self._wait()
                except KeyboardInterrupt:
                    return self._interrupted()
            reply = original(*args, **kwargs)
            return await reply if inspect.isawaitable(reply) else reply

        return do_execute

    def _other(self, name: str, original: Any) -> Any:
        @functools.wraps(original)
        def other(*args: Any, **kwargs: Any) -> Any:
            try:
                self._wait()
            except KeyboardInterrupt:
                position = args[1] if len(args) > 1 else kwargs.get("cursor_pos", 0)
                if name == "do_complete":
                    span = {"cursor_start": position, "cursor_end": position}
                    return {"status": "ok", "matches": [], "metadata": {}, **span}
                if name == "do_inspect":
                    return {"status": "ok", "found": False, "data": {}, "metadata": {}}
                raise
            return original(*args, **kwargs)

        return other

    def _is_ours(self) -> bool:
        return bool(self.parent().get("header", {}).get("username") == OURS)

    def parent(self) -> dict[str, Any]:
        """The message that is being answered; empty when that is not known."""
        try:
            return self.kernel.get_parent("shell") or {}
        except Exception:
            return {}

    def is_cell(self) -> bool:
        """Whether it is a request to run code."""
        return bool(self.parent().get("header", {}).get("msg_type") == "execute_request")

    def _interrupted(self) -> dict[str, Any]:
        error = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
        count = self.kernel.shell.execution_count - 1
        return {**error, "execution_count": count, "user_expressions": {}, "payload": []}
