"""NetworkPolicies that are enforced: by kube-router's firewall on each node, for as long as a test wants it.

Without it the cluster takes policies and does nothing about them, as Kubernetes does by itself.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import build, network
from .cluster import Cluster
from .control import API
from .daemons import wait_for
from .node import NodeProcesses

SYNC_S = 2
"""Seconds between two looks at whether the rules are still there; changes are acted upon at once."""


_CHAINS = ("-N KUBE-ROUTER-", "-N KUBE-POD-FW-", "-N KUBE-NWPLCY-")
_SETS = ("KUBE-SRC-", "KUBE-DST-", "kube-router-", "inet6:")


@contextmanager
def enforced(cluster: Cluster) -> Iterator[None]:
    """Have the policies of all namespaces hold meanwhile. Raises CannotBuild, TimeoutError."""
    if not network.SEES_BRIDGES.exists():
        raise build.CannotBuild(
            "this machine's kernel lacks br_netfilter, so what passes between the pods of a node is not seen"
        )
    program = build.kube_router()
    credentials = _credentials(cluster)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for node in cluster.nodes():
            started.append(_start(node, program, credentials))
        for node in cluster.nodes():
            wait_for(f"the policies of {node.node.name}", lambda node=node: _holds(node), 60)  # type: ignore[misc]
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)
        for node in cluster.nodes():
            _remove_rules(node)


def _credentials(cluster: Cluster) -> Path:
    """The administrator's kubeconfig, with the address that the nodes have of the API server."""
    content = json.loads(cluster.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = API
    path = cluster.folder / "policies.json"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


def _start(node: NodeProcesses, program: Path, credentials: Path) -> subprocess.Popen[bytes]:
    return node.daemons.start(
        f"{node.node.name}-policies",
        [
            *node.inside(),
            str(program),
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            f"--kubeconfig={credentials}",
            f"--hostname-override={node.node.name}",
            f"--service-cluster-ip-range={network.SERVICES}",
            f"--iptables-sync-period={SYNC_S}s",
            "--health-port=0",
            "--metrics-port=0",
        ],
        NODE_NAME=node.node.name,
    )


def _holds(node: NodeProcesses) -> bool:
    return "KUBE-ROUTER-FORWARD" in _run(node, "iptables", "-S", "FORWARD")


def _remove_rules(node: NodeProcesses) -> None:
    """Leave nothing that would hold for other pods of the same addresses. kube-router's own way needs IPVS."""
    rules = _run(node, "iptables", "-S").splitlines()
    ours = [rule.split()[1] for rule in rules if rule.startswith(_CHAINS)]
    jumps = [rule.replace("-A", "-D", 1) for rule in rules if "-j KUBE-ROUTER-" in rule]
    lines = ["*filter", *jumps, *(f"-F {chain}" for chain in ours), *(f"-X {chain}" for chain in ours), "COMMIT", ""]
    _run(node, "iptables-restore", "--noflush", text="\n".join(lines))
    for name in _run(node, "ipset", "list", "-name").split():
        if name.startswith(_SETS):
            _run(node, "ipset", "destroy", name)


def _run(node: NodeProcesses, *command: str, text: str | None = None) -> str:
    """Raises RuntimeError with what the command said."""
    done = subprocess.run([*node.inside(), *command], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` on {node.node.name} failed: {done.stderr[-2000:]}")
    return done.stdout
