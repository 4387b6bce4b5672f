"""The sessions that are measured: notebooks of the conformance folder, and four synthetic ones."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Session:
    """Cells, and what is asked of the restored session."""

    name: str
    cells: tuple[str, ...]
    change: str = "benchmark_change = [1]"
    """A cell that changes little."""
    computes: bool = True
    """Whether re-running its cells is work; else its values could not be had again by that, whatever it takes."""
    small: str = ""
    """A cell that touches only small variables; chosen in the kernel when it is empty."""
    probes: tuple[str, ...] = ()
    capture: dict[str, str] = field(default_factory=dict)

    @property
    def definitions(self) -> str:
        """The imports, functions and classes of its cells: what a raw pickle of the values cannot do without."""
        kept = []
        for cell in self.cells:
            source = "\n".join(line for line in cell.splitlines() if not line.lstrip().startswith(("%", "!")))
            wanted = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            kept += [ast.unparse(s) for s in ast.parse(source).body if isinstance(s, wanted)]
        return "\n".join(kept)


def notebook(path: Path) -> Session:
    """Read a notebook in percent format: ``# %%`` begins a cell, ``#? expression`` is a probe, ``#= name: expression``
    is evaluated before the save and stands for ``$name$`` in probes."""
    cells: list[list[str]] = []
    probes, capture = [], {}
    for line in path.read_text().splitlines():
        if line.startswith("# %%"):
            cells.append([])
        elif line.startswith("#? "):
            probes.append(line[3:])
        elif line.startswith("#= "):
            name, expression = line[3:].split(":", 1)
            capture[name.strip()] = expression.strip()
        elif cells:
            cells[-1].append(line)
    texts = tuple("\n".join(c).strip("\n") for c in cells)
    return Session(path.stem, texts, probes=tuple(probes), capture=capture)


def notebooks(folder: Path) -> list[Session]:
    """The notebooks of a conformance folder, in order."""
    return [notebook(p) for p in sorted((folder / "notebooks").glob("[0-9]*.py"))]


def synthetic(scale: float = 1.0) -> list[Session]:
    """One gigabyte of arrays, a million objects, 500 small variables, and frames with strings; ``scale`` shrinks them.

    Their values are drawn without a seed, so that no plan may re-run their cells: everything has to be stored.
    """

    def size(full: int) -> int:
        return max(10, int(full * scale))

    arrays = Session(
        "arrays",
        (
            "import numpy as np",
            f"arrays = [np.random.default_rng().random({size(13_421_772)}) for _ in range(10)]",
            "means = [float(a.mean()) for a in arrays]",
            "settings = {'rate': 0.1, 'steps': 10}",
        ),
        "arrays[3][0] = -1.0",
        False,
        "settings['rate'] * means[0]",
        ("arrays[3][0] == -1.0", "len(arrays) == 10 and abs(arrays[0].mean() - means[0]) < 1e-9"),
    )
    objects = Session(
        "objects",
        (
            "import random, time",
            "class Record:\n    def __init__(self, number):\n        self.number = number\n"
            "        self.score = source.random()",
            f"source = random.Random(time.time_ns())\nrecords = [Record(i) for i in range({size(1_000_000)})]",
            "best = max(r.score for r in records)",
            "settings = {'rate': 0.1, 'steps': 10}",
        ),
        "records[3].score = 2.0",
        False,
        "settings['rate'] * best",
        ("records[3].score == 2.0 and type(records[3]) is Record", "records[-1].number == len(records) - 1"),
    )
    count = max(10, int(500 * min(1.0, scale * 10)))
    variables = Session(
        "variables",
        (
            "import random, time",
            "source = random.Random(time.time_ns())\n"
            f"for _k in range({count}):\n    globals()[f'v{{_k}}'] = [_k, source.random(), {{'name': str(_k)}}]",
            "total = v0[1] + v1[1]",
        ),
        "v3[0] = -3",
        False,
        "v1[0] + v2[0]",
        ("v3[0] == -3 and v4[2]['name'] == '4'", "total == v0[1] + v1[1]"),
    )
    frames = Session(
        "frames",
        (
            "import numpy as np, pandas as pd\nrng = np.random.default_rng()",
            f"n = {size(3_000_000)}\nnumbers = rng.integers(0, 100_000, n)",
            "frame = pd.DataFrame({'value': rng.random(n), 'name': [f'id-{i}' for i in numbers],\n"
            "                      'kind': pd.Categorical.from_codes(numbers % 4, list('abcd'))})",
            "summary = frame.groupby('kind', observed=True).value.mean()",
            "labels = frame.name.astype(object)[: n // 10]",
            "settings = {'rate': 0.1, 'steps': 10}",
        ),
        "frame.loc[3, 'value'] = -1.0",
        False,
        "settings['rate'] * summary.iloc[0]",
        ("frame.value.iloc[3] == -1.0 and len(frame) == n", "labels.iloc[5] == frame.name.iloc[5]"),
    )
    return [arrays, objects, variables, frames]
