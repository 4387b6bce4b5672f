"""Reading the agent's reports: what a checkpoint holds, and what of it did not come back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

_SAVED = ("saved", "interrupted")


def describe_checkpoint(checkpoint: Mapping[str, Any]) -> str:
    """Return a checkpoint in words: ``2 kernels from the checkpoint of 12:30 (3.1 MiB)``."""
    count = sum(1 for kernel in checkpoint.get("kernels") or [] if kernel.get("status") in _SAVED)
    moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(checkpoint.get("created") or 0))
    size = (checkpoint.get("bytes") or 0) / 2**20
    return f"{count} kernel{'' if count == 1 else 's'} from the checkpoint of {moment} ({size:.1f} MiB)"


def failed_restores(checkpoint: Mapping[str, Any] | None, report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Compare what the last checkpoint holds with what is back.

    Returns what another size might cure (a kernel that died or failed, memory that did not suffice), and notes on all
    else that was saved and is not there. What was known to be lost when it was saved is in neither.
    """
    cures: list[str] = []
    notes: list[str] = []
    restored = {kernel.get("id"): kernel for kernel in report.get("kernels") or []}
    for saved in (checkpoint or {}).get("kernels") or []:
        if saved.get("status") not in _SAVED:
            continue
        name = saved.get("path") or saved.get("id")
        back = restored.get(saved.get("id"))
        if back is None:
            notes.append(f"the kernel of {name} is not there any more")
        elif back.get("status") == "failed":
            cures.append(f"the kernel of {name} could not be restored: {back.get('reason') or 'no reason given'}")
        else:
            known = {lost.get("name") for lost in saved.get("lost") or []}
            _compare_variables(str(name), known, back.get("variables") or {}, cures, notes)
    return cures, notes


def _compare_variables(
    kernel: str, known: set[Any], variables: Mapping[str, Any], cures: list[str], notes: list[str]
) -> None:
    for name, fate in variables.items():
        if fate.get("status") == "lost" and name not in known:
            reason = fate.get("reason") or "no reason given"
        elif fate.get("status") == "pending" and fate.get("reason"):
            reason = f"it could not be loaded so far: {fate['reason']}"
        else:
            continue
        if "memory" in reason.lower():
            cures.append(f"{name} of {kernel} is lost: {reason}")
        else:
            notes.append(f"{name} of {kernel} {'is lost: ' if fate['status'] == 'lost' else ''}{reason}")


def still_coming(report: Mapping[str, Any]) -> bool:
    """Whether large variables are on their way behind a restore. One that was found not to load is not: whether it is
    recomputed or lost is settled when somebody needs it."""
    return any(
        fate.get("status") == "pending" and not fate.get("reason")
        for kernel in report.get("kernels") or []
        for fate in (kernel.get("variables") or {}).values()
    )


def arriving(status: Mapping[str, Any]) -> str:
    """Return what an agent's status says of data that come behind: ``300 MB still arriving``."""
    count = sum(kernel.get("pending_bytes") or 0 for kernel in status.get("kernels") or [])
    return f"{count / 1e6:,.0f} MB still arriving" if count else "the last of its data are still arriving"
