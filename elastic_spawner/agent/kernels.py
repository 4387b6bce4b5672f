"""What the agent knows of one kernel of its server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

MAX_CELLS = 200
"""How many cells since the last save are kept of each kernel; older ones are dropped."""
MAX_SOURCE = 20_000
"""How many characters of a cell are kept."""


@dataclass(eq=False)
class RanCell:
    """A cell that was run after the last save."""

    number: int | None
    """The n of its In [n]."""
    source: str
    at: float
    """When it began, in seconds since 1970."""
    message: str = ""
    """Id of the request that ran it."""
    ended: bool = False


@dataclass(eq=False)
class Kernel:
    """A kernel that the server runs."""

    id: str
    name: str
    """Name of its kernel specification."""
    language: str
    manager: Any
    """Its `jupyter_client.KernelManager`."""
    folder: str | None
    """API path of the folder in which it was started, if it was given one."""
    notebook: str | None = None
    """API path of the session it belongs to, if any."""

    incarnation: int = 0
    """Grows with every process that runs under this id."""
    prepared: asyncio.Task[None] | None = None
    """Loads the kernel part, and restores after that."""
    tracked: bool | None = None
    """Whether the kernel part is loaded; None: not known yet."""
    problem: str = ""
    """Why it is not tracked."""

    generation: int | None = None
    """The checkpoint that holds this kernel's state as of when it was last saved or restored."""
    floor: int = 0
    """Checkpoints up to this generation are older than a restart by the user and must not come back."""
    saved_at: float | None = None
    """When it was last saved, seconds since 1970."""
    executed_at: float = 0.0
    """When something of the user's last began to run in it, on the monotonic clock."""
    watched: bool = False
    """Whether we get its messages, so that `executed_at` can be relied on."""
    serves_agent: bool = False
    """Whether what it runs now is a message of ours."""
    begins: dict[str, asyncio.Event] = field(default_factory=dict)
    """What is to be told when the kernel begins with a message of ours, by the message's id."""

    cells: list[RanCell] = field(default_factory=list)
    """What was run in it since it was last saved, oldest first."""
    saved_to: float = 0.0
    """What began to run before this is in its last checkpoint, on the monotonic clock."""
    rests_until: float = 0.0
    """It is not saved before that unless somebody asks for it, on the monotonic clock."""

    restore: dict[str, Any] | None = None
    """Report of the last restore, as the API gives it."""
    restore_sent: bool = False
    """Whether the process that runs now was told to restore."""
    status: dict[str, Any] = field(default_factory=dict)
    """The kernel part's last answer to `status`."""
    status_at: float = 0.0
    """When that was asked, on the monotonic clock."""

    @property
    def session(self) -> str:
        """Its name in the checkpoint repository."""
        return f"kernel-{self.id}"

    @property
    def label(self) -> str:
        """How to call it in a message."""
        return self.notebook or self.id

    @property
    def is_python(self) -> bool:
        return self.language.lower() == "python"

    @property
    def execution_state(self) -> str:
        """As the server has it: starting, idle, busy, ..."""
        return getattr(self.manager, "execution_state", None) or "unknown"

    @property
    def restore_failed(self) -> bool:
        """Whether it is empty although there is a checkpoint of it."""
        return self.restore is not None and self.restore["status"] == "failed"

    @property
    def restoring(self) -> bool:
        return self.restore is not None and self.restore["status"] == "restoring"

    @property
    def pending(self) -> bool:
        """Whether some of its data are still coming behind the restore."""
        return bool((self.restore or {}).get("pending"))

    def saved(self, result: dict[str, Any], began: float) -> None:
        """It was saved, as the kernel part tells, by a save that had begun then (on the monotonic clock)."""
        self.generation, self.saved_at = max(result["generation"], self.generation or 0), time.time()
        self.saved_to = max(self.saved_to, began)
        if result.get("partial"):
            return  # it comes back from the one before
        before = time.time() - (time.monotonic() - began)
        self.cells = [cell for cell in self.cells if cell.at > before]

    def note_message(self, ours: bool, message_type: str, parent: dict[str, Any], content: dict[str, Any]) -> None:
        """Take notice of a message that the kernel published."""
        self.watched = True
        if message_type == "execute_input" and not ours:
            self._note_cell(parent, content)
        if message_type != "status":
            return
        busy = content.get("execution_state") == "busy"
        self.serves_agent = ours and busy
        if self.serves_agent and (begun := self.begins.pop(parent.get("msg_id", ""), None)) is not None:
            begun.set()
        if busy and not ours and parent.get("msg_type", "") in ("execute_request", "comm_msg", "comm_open", ""):
            self.executed_at = time.monotonic()
        if not busy:
            for cell in reversed(self.cells):
                if cell.message == parent.get("msg_id", ""):
                    cell.ended = True
                    break

    def _note_cell(self, parent: dict[str, Any], content: dict[str, Any]) -> None:
        source = str(content.get("code", ""))
        if len(source) > MAX_SOURCE:
            source = f"{source[:MAX_SOURCE]}\n# ... and {len(source) - MAX_SOURCE} characters more"
        count = content.get("execution_count")
        number = count if type(count) is int else None
        self.cells.append(RanCell(number, source, time.time(), parent.get("msg_id", "")))
        del self.cells[:-MAX_CELLS]


def kernel_language(manager: Any) -> str:
    """The language which the kernel specification names; empty when it cannot be read."""
    try:
        return str(manager.kernel_spec.language)
    except Exception:  # a kernel specification of a kernel that was removed meanwhile, a gateway's kernel, ...
        return ""
