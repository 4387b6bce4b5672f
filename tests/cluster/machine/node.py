"""One node: containerd, kubelet and kube-proxy, in a network and a mount namespace of their own.

In the mount namespace /run, /var/lib and /var/log are empty file systems in memory. So the two nodes do not meet in the
paths that these programs have fixed (/var/lib/cni, /run/containerd/s, /var/lib/kubelet/device-plugins), nothing is left
there, and every mount that they make is gone with their last process, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import cgroups, contents, versions
from .certificates import Authority
from .control import API
from .daemons import Daemons, kill_all, marked, wait_for
from .network import CONTROL_IP, SEES_BRIDGES, Node, inside

CPUS = 1.5
"""What each node offers to pods, in CPUs; there are two of them on a machine that may have two."""
_MACHINE_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
MEMORY = max(2048, min(8192, (_MACHINE_MEMORY - 4096) // 2))
"""MiB that each node offers to pods: as much as 30 small servers on one of them want, where the machine has that."""

_CONTAINERD = """\
version = 3
root = "{root}"
state = "{folder}/containerd-state"

[grpc]
address = "{socket}"

[plugins."io.containerd.nri.v1.nri"]
disable = true

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
# A kernel capability (CAP_SYS_RESOURCE) that may be missing is needed for less than the own value.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{folder}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
"""

_MOUNTS = """\
mount --make-rshared /
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs $folder; done
exec sleep infinity
"""


class NodeProcesses:
    """Starts one node's programs, each of which can be started again by itself."""

    def __init__(self, node: Node, daemons: Daemons, folder: Path) -> None:
        self.node = node
        self.daemons = daemons
        self.folder = folder / node.name
        self.socket = self.folder / "containerd.sock"
        self.root = versions.cache_folder() / "containerd" / node.name
        """Kept when the cluster is down, for unpacking the images takes longer than all else. Containers of an earlier
        cluster in it look to the kubelet like those of before a reboot: it removes them."""

    def start(self, authority: Authority) -> None:
        """Start containerd, and write down what the other two need."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(parents=True, exist_ok=True)
        cgroups.make(self.node.cgroup)
        holder = self.daemons.start(
            f"{self.node.name}-namespaces",
            [*inside(self.node.namespace), "unshare", "--mount", "--propagation=private", "sh", "-ec", _MOUNTS],
        )
        wait_for(
            f"the mounts of {self.node.name}",
            lambda: Path(f"/proc/{holder.pid}/comm").read_text().strip() == "sleep",
            10,
            0.02,
        )
        (self.folder / "holder").write_text(str(holder.pid))
        self._configure(authority)
        self.start_containerd()

    def inside(self) -> list[str]:
        """The command that runs another one in the node's namespaces."""
        holder = (self.folder / "holder").read_text()
        return ["nsenter", f"--mount=/proc/{holder}/ns/mnt", f"--net=/proc/{holder}/ns/net"]

    def _run(self, name: str, program: str, *arguments: str) -> None:
        path = str(self.daemons.programs / program)
        self.daemons.start(f"{self.node.name}-{name}", [*self.inside(), path, *arguments])

    def _configure(self, authority: Authority) -> None:
        node, folder = self.node, self.folder
        settings = {"folder": folder, "root": self.root, "socket": self.socket, "pause": contents.PAUSE_REFERENCE}
        (folder / "containerd.toml").write_text(_CONTAINERD.format(**settings))
        (folder / "cni").mkdir(exist_ok=True)
        (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_cni(node)))
        (folder / "resolv.conf").write_text(f"nameserver {CONTROL_IP}\n")
        (folder / "logs").mkdir(exist_ok=True)
        authority.kubeconfig(folder / "kubelet.json", API, f"system:node:{node.name}", ("system:nodes",))
        authority.kubeconfig(folder / "proxy.json", API, "system:kube-proxy")
        (folder / "kubelet-config.json").write_text(json.dumps(_kubelet(node, folder, self.socket, authority.path)))

    def start_containerd(self) -> None:
        self._run("containerd", "containerd", "--config", str(self.folder / "containerd.toml"))

    def wait_for_containerd(self) -> None:
        """Raises RuntimeError with the end of its log."""
        try:
            wait_for("containerd", lambda: self.socket.exists() and self.ctr("version", check=False) == 0, 30)
        except TimeoutError:
            log = self.daemons.tail(f"{self.node.name}-containerd")
            raise RuntimeError(f"containerd of {self.node.name} does not answer:\n{log}") from None

    def import_images(self, archives: Sequence[Path]) -> None:
        """Give the node these images, but for those that it has under their names."""
        mark = self.root / "archives"
        # By the image's name: what another checkout has imported since is what the node has now.
        had = {line.rpartition("-")[0]: line for line in (mark.read_text().split() if mark.exists() else ())}
        for archive in archives:
            name = archive.name.rpartition("-")[0]
            if had.get(name) != archive.name:
                # One that is replaced under its name is not found by its digest afterwards, as image volumes need.
                self.ctr("--namespace", "k8s.io", "images", "rm", "--sync", contents.reference(name), check=False)
                self.ctr("--namespace", "k8s.io", "images", "import", "--local", str(archive))
                had[name] = archive.name
                mark.write_text("\n".join(had.values()))

    def start_kubelet(self) -> None:
        self._run(
            "kubelet",
            "kubelet",
            f"--config={self.folder / 'kubelet-config.json'}",
            f"--kubeconfig={self.folder / 'kubelet.json'}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-pki'}",
            f"--hostname-override={self.node.name}",
            f"--node-ip={self.node.ip}",
        )

    def lose(self) -> None:
        """End everything on the node at once, by ``kill -9``: its programs, and all containers."""
        holder = int((self.folder / "holder").read_text())

        def here() -> Iterator[int]:
            yield from cgroups.processes(self.node.cgroup)
            mounts = os.readlink(f"/proc/{holder}/ns/mnt")
            for pid in marked():
                with contextlib.suppress(OSError):
                    if pid != holder and os.readlink(f"/proc/{pid}/ns/mnt") == mounts:
                        yield pid

        kill_all(here)

    def bring_back(self) -> None:
        """Start the programs again, as a machine does that was off."""
        self.socket.unlink(missing_ok=True)
        self.start_containerd()
        self.wait_for_containerd()
        self.start_kubelet()
        self.start_proxy()

    def start_proxy(self) -> None:
        self._run(
            "kube-proxy",
            "kube-proxy",
            f"--kubeconfig={self.folder / 'proxy.json'}",
            f"--hostname-override={self.node.name}",
            "--proxy-mode=iptables",
            # Answers between two pods of one node would take the short way over the bridge.
            *([] if SEES_BRIDGES.exists() else ["--masquerade-all"]),
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            f"--healthz-bind-address={self.node.ip}:10256",
            f"--metrics-bind-address={self.node.ip}:10249",
        )

    def ctr(self, *arguments: str, check: bool = True) -> int:
        """Run containerd's own command. Raises RuntimeError with what it said."""
        done = subprocess.run(
            [str(self.daemons.programs / "ctr"), "--address", str(self.socket), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"`ctr {' '.join(arguments)}` on {self.node.name} failed: {done.stdout[-2000:]}")
        return done.returncode


def _cni(node: Node) -> dict[str, object]:
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "hairpinMode": True,  # or a pod cannot reach itself through its service
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet(node: Node, folder: Path, socket: Path, authority: Path) -> dict[str, object]:
    cpus = os.cpu_count() or 1
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority)}},
        "authorization": {"mode": "Webhook"},
        "address": node.ip,
        "healthzBindAddress": "127.0.0.1",
        "clusterDNS": [CONTROL_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": str(folder / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": ["pods"],
        "systemReserved": {"cpu": f"{max(0, round((cpus - CPUS) * 1000))}m", "memory": f"{_MACHINE_MEMORY - MEMORY}Mi"},
        # Never for want of memory: what files are cached for pods counts as taken, and one test's would keep those that
        # follow from the node for minutes.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageMaximumGCAge": "0s",
        "podLogsDir": str(folder / "logs"),
        "volumePluginDir": str(folder / "plugins"),
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 16,
        # A pod's volumes with secrets and tokens are looked at this often; nothing else depends on it.
        "syncFrequency": "20s",
    }
