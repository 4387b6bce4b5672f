"""``python -m tests.cluster.machine build | up | down | shell | dockerfiles``"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from . import build, contents
from .build import CannotBuild
from .cluster import Cluster, locked

DOCKERFILES = Path(__file__).resolve().parent.parent / "images"


def main() -> int:
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        if command == "build":
            with locked() as cluster:
                cluster.build()
            build.kube_router()  # what only some tests want, and build when they do
        elif command == "up":
            with locked() as cluster:
                cluster.up()
                print(cluster.kubeconfig)
        elif command == "down":
            with locked() as cluster:
                cluster.down()
        elif command == "shell":
            return _shell(Cluster())
        elif command == "dockerfiles":
            write_dockerfiles()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (CannotBuild, RuntimeError, TimeoutError) as error:
        print(f"[cluster] {error}", file=sys.stderr)
        return 1
    return 0


def _shell(cluster: Cluster) -> int:
    """A shell with kubectl, helm, ctr and KUBECONFIG."""
    if not cluster.is_up():
        print("[cluster] no cluster runs: make cluster-up", file=sys.stderr)
        return 1
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    environment["PATH"] = f"{cluster.programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run([os.environ.get("SHELL", "/bin/bash")], env=environment, check=False).returncode


def dockerfiles() -> dict[str, str]:
    """The name of each file, and what is in it."""
    made = {f"{image.name}.Dockerfile": image.dockerfile() for image in contents.IMAGES}
    return {**made, "agent.Dockerfile": contents.agent_dockerfile()}


def write_dockerfiles() -> None:
    DOCKERFILES.mkdir(exist_ok=True)
    for name, text in dockerfiles().items():
        (DOCKERFILES / name).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
