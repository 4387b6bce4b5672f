"""The magic ``%elastic``: plan, checkpoint, restore and status by hand."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from ..errors import ElasticError
from . import session as sessions
from .keys import user_key

USAGE = (
    "usage: %elastic plan | checkpoint [--encrypt] URL [SESSION] | restore URL [SESSION] | report | status | "
    "quiet [off]"
)
SESSION = "notebook"


class Plan:
    """A plan as the user sees it."""

    def __init__(self, summary: dict[str, Any]) -> None:
        self.summary = summary

    def __str__(self) -> str:
        s = self.summary
        lines = [f"stored: {len(s['store'])} variables, {_size(s['bytes'])}"]
        lines += [f"  {v['name']}  {v['type']}  {_size(v['bytes'])}" for v in s["store"][:20]]
        if len(s["store"]) > 20:
            lines.append(f"  and {len(s['store']) - 20} more")
        if s["recomputed"]:
            cells = ", ".join(f"In [{c['cell']}] ({c['seconds']:.2f} s)" for c in s["rerun"])
            lines.append(f"recomputed: {len(s['recomputed'])} variables, by running {cells} again")
            lines += [f"  {v['name']}  {v['type']}: {v['why']}" for v in s["recomputed"]]
        for v in s["lost"]:
            lines.append(f"will be lost: {v['name']} ({v['type']}): {v['reason']}. After a move, {v['cure']}.")
        return "\n".join(lines)


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.2f} GB"


@magics_class
class ElasticMagics(Magics):
    """Registered by the extension."""

    @line_magic
    def elastic(self, line: str) -> Any:
        """Save this session, bring one back, or show what a save would do.

        %elastic plan                        what would be stored, recomputed and lost
        %elastic checkpoint URL [SESSION]    save to file:///folder or s3://bucket/prefix
        %elastic checkpoint --encrypt URL    the same, readable with your key only
        %elastic restore URL [SESSION]       bring back what was saved there
        %elastic report                      what became of each variable in the last restore
        %elastic status                      the last save and restore
        %elastic quiet                       say no more under a cell that what it made will be lost (quiet off: do)
        """
        words = line.split()
        encrypt = words[:2] == ["checkpoint", "--encrypt"]
        if encrypt:
            del words[1]
        session = sessions.current()
        try:
            if words[:1] == ["plan"] and len(words) == 1:
                print(Plan(session.prepare().summary()))
            elif words[:1] == ["checkpoint"] and len(words) in (2, 3):
                policy = "yes" if encrypt else "no"
                done = session.checkpoint(words[1], (words[2:] or [SESSION])[0], user_key(), encrypt=policy)
                lost = "".join(f"\n  not saved: {v['name']} ({v['type']}): {v['reason']}" for v in done["plan"]["lost"])
                print(
                    f"Saved{', encrypted,' if encrypt else ''} as generation {done['generation']}: "
                    f"{_size(done['bytes'])}, of which {_size(done['bytes_written'])} written, "
                    f"in {done['seconds']:.2f} s.{lost}"
                )
            elif words[:1] == ["restore"] and len(words) in (2, 3):
                report = session.restore(words[1], (words[2:] or [SESSION])[0], user_key())
                self._show(report)
            elif words == ["report"]:
                self._show(session.last_restore)
            elif words == ["status"]:
                _print_status(session.status())
            elif words in (["quiet"], ["quiet", "off"]):
                session.notices.quiet = len(words) == 1
            else:
                raise UsageError(USAGE)
        except ElasticError as e:
            # the user's to read, not a fault of the program: one line, and the cell counts as failed
            raise UsageError(str(e)) from e

    def _show(self, report: Any) -> None:
        if report is None:
            print("Nothing was restored in this kernel.")
        elif _in_notebook(self.shell):
            display(report)
        else:
            print(report)


def _in_notebook(shell: Any) -> bool:
    return type(shell).__name__ == "ZMQInteractiveShell"


def _print_status(status: dict[str, Any]) -> None:
    print(f"watching: {status['cells']} cells, {status['variables']} variables, about {_size(status['bytes'])}")
    saved, restored = status["last_checkpoint"], status["last_restore"]
    if saved is not None:
        print(f"last save: generation {saved['generation']}, {_size(saved['bytes'])}, in {saved['url']}")
    if restored is not None:
        print(f"last restore: generation {restored['generation']}")
    for text in status["warnings"]:
        print(text)
