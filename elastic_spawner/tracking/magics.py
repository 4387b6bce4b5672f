"""What IPython's magics in a transformed cell do: which run the user's code, which act on the outside.

A transformed cell calls them as ``get_ipython().run_line_magic('time', 'a = 1')``; the arguments are constants.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

RUNS_CODE = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun"})
HARMLESS = frozenset(
    "matplotlib config who whos who_ls history hist load_ext reload_ext autoreload pwd lsmagic precision pinfo pinfo2 "
    "psource pdoc pfile pprint magic quickref colors xmode doctest_mode pdb debug tb page elastic html svg markdown "
    "latex javascript js HTML SVG gui pylab automagic alias_magic aimport".split()
)
ACTS = frozenset(
    "bash sh script system sx writefile file save pip conda mamba micromamba uv cd pushd popd mkdir rm rmdir mv cp ls "
    "cat notebook perl ruby pypy python python2 python3 edit logstart logon store".split()
)
_WITH_VALUE = frozenset({"n", "r", "s", "D", "l", "T", "t", "p"})


@dataclass(frozen=True)
class MagicCall:
    """One call of a magic: its name, its line, and the body of a cell magic."""

    name: str
    line: str
    body: str = ""

    def code(self) -> str:
        """The user's code that it runs."""
        if self.name in ("capture", "prun") and self.body:
            return self.body
        return "\n".join(p for p in (_without_options(self.line), self.body) if p)


def calls(tree: ast.AST) -> Iterator[MagicCall | None]:
    """Magic calls in a parsed cell; None for one whose name or arguments cannot be read off."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        attribute = node.func.attr
        owner = node.func.value
        if not (isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "get_ipython"):
            continue
        values = [a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in node.args]
        if attribute in ("system", "getoutput"):
            yield MagicCall("system", values[0] or "" if values else "")
        elif attribute in ("run_line_magic", "run_cell_magic"):
            if not values or None in values:
                yield None
            else:
                yield MagicCall(*[v or "" for v in values[:3]])


def _without_options(line: str) -> str:
    """The statement of ``%timeit -n1 -r 3 statement``."""
    words = line.split(" ")
    while words and words[0].startswith("-") and len(words[0]) > 1:
        option = words.pop(0)
        if len(option) == 2 and option[1] in _WITH_VALUE and words:
            words.pop(0)
    return " ".join(words)
