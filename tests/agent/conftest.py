from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.environments import environment
from tests.agent.server import JupyterServer


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., JupyterServer]]:
    """Makes servers, and sees to it that nothing of them is left running."""
    made: list[JupyterServer] = []

    def make(name: str = "server", **options: Any) -> JupyterServer:
        made.append(JupyterServer(tmp_path / name, **options))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def server(make_server: Callable[..., JupyterServer]) -> JupyterServer:
    """A server that runs, with nothing in it yet."""
    server = make_server()
    server.start()
    return server


@pytest.fixture(scope="session")
def foreign_kernel() -> dict[str, Any]:
    """The specification of a kernel in an environment that has ipykernel 6 and nothing of ours."""
    python = environment("ipykernel6", "ipykernel<7")
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    return {"argv": argv, "display_name": "Foreign", "language": "python"}


@pytest.fixture(scope="session")
def bash_kernel() -> dict[str, Any]:
    """The specification of a kernel whose language is not Python."""
    python = environment("bash-kernel", "bash_kernel")
    argv = [str(python), "-m", "bash_kernel", "-f", "{connection_file}"]
    return {"argv": argv, "display_name": "Bash", "language": "bash"}
