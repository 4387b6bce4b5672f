"""Runs in a process of its own: reads one line of JSON, answers with one.

``{"literals": [text]}`` gives the digest of each literal; ``{"source": text}`` runs it as ``__main__`` and gives the
digest of every public name.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

from values import read

from elastic_spawner.objects.walk import Walker


def answer(request: dict[str, Any]) -> Any:
    """The digests asked for."""
    if "literals" in request:
        return [Walker().walk([read(text)]).digest for text in request["literals"]]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(request["source"], "<cell>", "exec", dont_inherit=True), namespace)
    found = {}
    for name, value in namespace.items():
        if not name.startswith("_") and not isinstance(value, types.ModuleType):
            walk = Walker(namespace=namespace).walk([value])
            found[name] = [walk.digest, walk.uncertain]
    return found


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
