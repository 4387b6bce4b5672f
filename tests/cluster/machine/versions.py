"""What the cluster is made of, pinned, and where the results are kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.conftest_s3 import VERSION as VERSITYGW

KUBERNETES = "1.36.3"
"""The newest whose modules are all on Go's proxy (1.37.2 lacks sample-controller)."""
CONTAINERD = "2.4.1"
"""2.x, for image volumes; Debian's is 1.6."""
HELM = "3.21.4"
COREDNS = "1.14.7"
KUBE_ROUTER = "2.1.0"
DEBIAN = "bookworm"
DEBIAN_PACKAGES = {
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "debootstrap": "debootstrap",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "gcc": "gcc",
}
"""What has to be on the machine: a command, or a file, and the Debian package that brings it."""


def cache_folder() -> Path:
    """Where what was built is kept: outside the work tree, so that all checkouts of a machine share it."""
    usual = "/var/cache" if os.geteuid() == 0 else "~/.cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or usual).expanduser() / "elastic-spawner" / "cluster"


def key(*parts: str) -> str:
    """A short name for what is made from these parts."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


def programs_folder() -> Path:
    """The folder of programs of exactly these versions."""
    return cache_folder() / f"bin-{key(KUBERNETES, CONTAINERD, HELM, COREDNS, VERSITYGW, '1')}"
