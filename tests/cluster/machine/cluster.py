"""The whole cluster: up, down, and where it is.

Everything that a running cluster has lies in one folder, in the network namespaces and cgroups called es-*, and in
processes that carry a mark in their environment. So ``down`` finds all of it, even after everything was killed, and
touches nothing else.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import build, cgroups, control, images, network, versions
from .build import CannotBuild, say
from .certificates import Authority
from .daemons import Daemons, kill_all, marked, wait_for
from .node import NodeProcesses

NODES_READY_S = 300
"""20 are usual; a machine that does much else needs longer."""

_CLUSTER_WIDE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kube-proxy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-proxy"}]
"""


class Cluster:
    """The one cluster of this machine."""

    def __init__(self) -> None:
        self.folder = versions.cache_folder() / "running"
        self.kubeconfig = self.folder / "kubeconfig"
        self.programs = versions.programs_folder()

    def nodes(self) -> list[NodeProcesses]:
        daemons = Daemons(self.folder / "logs", self.programs)
        return [NodeProcesses(node, daemons, self.folder) for node in network.NODES]

    @property
    def command(self) -> list[str]:
        """kubectl with its kubeconfig, for what runs in the background."""
        return [str(self.programs / "kubectl"), f"--kubeconfig={self.kubeconfig}"]

    @property
    def s3_endpoint(self) -> str:
        """The S3 server as this machine reaches it; pods reach it at `control.S3_ENDPOINT`."""
        return f"http://127.0.0.1:{(self.folder / 's3-port').read_text()}"

    def is_up(self) -> bool:
        """Whether the cluster answers and has all of its nodes."""
        try:
            ready = self.kubectl(
                "get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
            )
        except (RuntimeError, OSError):
            return False
        return ready.split() == ["True"] * len(network.NODES)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl as the cluster's administrator; return its output. Raises RuntimeError with what it said."""
        return control.kubectl(self.programs, self.kubeconfig, *arguments, text=text)

    def build(self) -> list[Path]:
        """Build what is missing; return the images' archives. Raises CannotBuild, RuntimeError."""
        check_machine()
        self.programs = build.programs()
        return images.build_all(versions.cache_folder() / "images")

    def up(self) -> None:
        """Start the cluster, unless it runs; build what is missing. Raises CannotBuild, RuntimeError, TimeoutError."""
        archives = self.build()
        if self.is_up():
            self._import(archives)  # of the images only our own parts may have changed
            return
        self.down()
        began = time.monotonic()
        self.folder.mkdir(parents=True)
        network.up()
        daemons = Daemons(self.folder / "logs", self.programs)
        authority = Authority(self.folder / "certificates")
        api_port, s3_port = _free_port(), _free_port()
        tokens = control.start_api(daemons, authority, self.folder)
        nodes = self.nodes()
        for node in nodes:
            node.start(authority)
        daemons.start(
            "forward",
            [
                sys.executable,
                str(Path(__file__).with_name("forward.py")),
                network.CONTROL,
                f"{api_port}={network.CONTROL_IP}:6443",
                f"{s3_port}={network.CONTROL_IP}:{control.S3_PORT}",
            ],
        )
        (self.folder / "s3-port").write_text(str(s3_port))
        authority.kubeconfig(self.kubeconfig, f"https://127.0.0.1:{api_port}", "admin", ("system:masters",))
        self._import(archives)
        control.wait_until_ready(self.programs, self.kubeconfig)
        control.start_controllers(daemons, authority, self.folder, tokens)
        self.kubectl("apply", "-f", "-", text=_CLUSTER_WIDE)
        for node in nodes:
            node.start_kubelet()
            node.start_proxy()
        try:
            wait_for("the nodes", self.is_up, NODES_READY_S, pause_s=0.5)
        except TimeoutError:
            logs = "\n".join(daemons.tail(f"{node.node.name}-kubelet") for node in nodes)
            raise RuntimeError(
                f"the nodes are not ready after {NODES_READY_S} s; the kubelets' logs end with:\n{logs}"
            ) from None
        say(f"the cluster is up after {time.monotonic() - began:.0f} s: KUBECONFIG={self.kubeconfig}")

    def _import(self, archives: list[Path]) -> None:
        """Give the images to both nodes, at the same time."""

        def one(node: NodeProcesses) -> None:
            node.wait_for_containerd()
            node.import_images(archives)

        _together([lambda node=node: one(node) for node in self.nodes()])  # type: ignore[misc]

    def down(self) -> None:
        """End and remove everything, whatever state it is in."""
        kill_all(marked)
        for node in network.NODES:
            kill_all(lambda name=node.cgroup: cgroups.processes(name))  # type: ignore[misc]
            cgroups.remove(node.cgroup)
        network.down()
        shutil.rmtree(self.folder, ignore_errors=True)


def check_machine() -> None:
    """Raise CannotBuild that says what this machine lacks; install Debian packages where that can be done."""
    if os.uname().sysname != "Linux" or os.geteuid() != 0:
        raise CannotBuild("starting a Kubernetes needs Linux and root; give the KUBECONFIG of another one instead")
    if not cgroups.hierarchies():
        raise CannotBuild("this machine has cgroup v2 only; give the KUBECONFIG of another Kubernetes instead")
    missing = [
        package
        for what, package in versions.DEBIAN_PACKAGES.items()
        if not (Path(what).exists() if what.startswith("/") else shutil.which(what))
    ]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise CannotBuild(f"missing: {' '.join(missing)} (Debian's names)")
    say(f"installing {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotBuild(f"`apt-get {' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-2000:]}")


@contextmanager
def locked() -> Iterator[Cluster]:
    """Have the machine's cluster for oneself; waits for others who have it."""
    folder = versions.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Cluster()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _together(tasks: list[Callable[[], None]]) -> None:
    """Run all at the same time; raise the first error after all have ended."""
    errors: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
