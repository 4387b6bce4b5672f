"""The cluster's network: one namespace for the control plane, one for each node, and no way out of any of them.

All addresses are of 198.18.0.0/15, the range kept for benchmarks, so nothing that the machine itself talks to is
hidden.

    es-control   bridge 198.18.0.1/24     API server, DNS, S3
    es-node1     198.18.0.11              pods 198.18.11.0/24
    es-node2     198.18.0.12              pods 198.18.12.0/24
    services     198.19.0.0/16
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

CONTROL = "es-control"
CONTROL_IP = "198.18.0.1"
SERVICES = "198.19.0.0/16"
API_SERVICE_IP = "198.19.0.1"
SEES_BRIDGES = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Where the machine's kernel (br_netfilter) lets rules see what passes a bridge."""
_RUN = Path("/run/netns")


class Node:
    """The names and addresses of one node."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"node{number}"
        self.namespace = f"es-node{number}"
        self.ip = f"198.18.0.{10 + number}"
        self.pods = f"198.18.{10 + number}.0/24"
        self.cgroup = f"es-node{number}"
        """Under each of the machine's cgroup hierarchies."""


NODES = (Node(1), Node(2))


def inside(namespace: str) -> list[str]:
    """The command that runs another one in a network namespace.

    Not ``ip netns exec``, which mounts /sys anew and so hides the cgroups from the kubelet.
    """
    return ["nsenter", f"--net={_RUN / namespace}"]


def up() -> None:
    """Make the namespaces and join them. What an earlier cluster left of them is replaced."""
    down()
    for namespace in (CONTROL, *(node.namespace for node in NODES)):
        _run("ip", "netns", "add", namespace)
        _in(namespace, "ip", "link", "set", "lo", "up")
        _in(namespace, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    _in(CONTROL, "ip", "link", "add", "br0", "type", "bridge")
    _in(CONTROL, "ip", "address", "add", f"{CONTROL_IP}/24", "dev", "br0")
    _in(CONTROL, "ip", "link", "set", "br0", "up")
    for node in NODES:
        # Made inside, so that no interface is ever seen in the machine's own namespace.
        end = f"n{node.number}"
        _in(CONTROL, "ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", node.namespace)
        _in(CONTROL, "ip", "link", "set", end, "master", "br0", "up")
        _in(node.namespace, "ip", "address", "add", f"{node.ip}/24", "dev", "eth0")
        _in(node.namespace, "ip", "link", "set", "eth0", "up")
        # Packets between two pods of one node take the bridge, unseen by the rules for services and policies otherwise.
        if SEES_BRIDGES.exists():
            _in(node.namespace, "sh", "-c", f"echo 1 > {SEES_BRIDGES}")
        # kube-proxy rewrites the addresses of services only after a route to them was found.
        _in(node.namespace, "ip", "route", "add", "default", "via", CONTROL_IP)
    for node in NODES:
        _in(CONTROL, "ip", "route", "add", node.pods, "via", node.ip)
        for other in NODES:
            if other is not node:
                _in(other.namespace, "ip", "route", "add", node.pods, "via", node.ip)


def down() -> None:
    """Remove the namespaces, and with them all that is in them."""
    for namespace in (CONTROL, *(node.namespace for node in NODES)):
        if (_RUN / namespace).exists():
            _run("ip", "netns", "delete", namespace)


def _in(namespace: str, *command: str) -> None:
    _run(*inside(namespace), *command)


def _run(*command: str) -> None:
    run(command)


def run(command: Sequence[str]) -> str:
    """Run a command and return its output. Raises RuntimeError with what it said."""
    done = subprocess.run(list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stdout.strip()[-2000:]}")
    return done.stdout
