"""elastic_spawner: notebook sessions that outlive their machines.

In a notebook: ``%load_ext elastic_spawner``, then ``%elastic checkpoint URL`` and, in a new kernel, ``%elastic restore
URL``. Under a hub neither is needed.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0.dev0"


def load_ipython_extension(shell: Any) -> None:
    """Begin to watch this kernel (``%load_ext elastic_spawner``)."""
    from .kernel import session
    from .kernel.magics import ElasticMagics

    session.start(shell)
    shell.register_magics(ElasticMagics)


def unload_ipython_extension(shell: Any) -> None:
    """Stop watching."""
    from .kernel import session

    session.stop()


def last_restore() -> Any:
    """The report of this kernel's last restore (`checkpoint.report.RestoreReport`); None when there was none."""
    from .kernel import session

    return session.current().last_restore


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "elastic_spawner.agent"}]
