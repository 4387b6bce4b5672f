"""The control plane: etcd, API server, controllers, scheduler, DNS and an S3 server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .certificates import Authority
from .daemons import Daemons, wait_for
from .network import API_SERVICE_IP, CONTROL, CONTROL_IP, SERVICES, inside

API = f"https://{CONTROL_IP}:6443"
S3_PORT = 7070
S3_ENDPOINT = f"http://{CONTROL_IP}:{S3_PORT}"
S3_ACCESS_KEY, S3_SECRET_KEY = "elastic-test", "elastic-test-secret"
"""The S3 server is inside the cluster's own network and holds test data only."""
BUCKET = "checkpoints"

_COREFILE = """\
.:53 {{
    bind {ip}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""


def _run(daemons: Daemons, program: str, *arguments: str, **environment: str) -> None:
    daemons.start(program, [*inside(CONTROL), str(daemons.programs / program), *arguments], **environment)


def start_api(daemons: Daemons, authority: Authority, folder: Path) -> Path:
    """Start what everything else asks, and the S3 server; returns the key that signs service accounts' tokens."""
    _run(
        daemons,
        "etcd",
        f"--data-dir={folder / 'etcd'}",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # nothing in it is worth keeping
    )
    authority.issue(
        "kube-apiserver",
        hosts=("kubernetes", "kubernetes.default", "kubernetes.default.svc", API_SERVICE_IP, CONTROL_IP, "127.0.0.1"),
    )
    authority.issue("kubelet-client", groups=("system:masters",))
    tokens = authority.signing_key()
    keys = authority.folder
    _run(
        daemons,
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={CONTROL_IP}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICES}",
        f"--tls-cert-file={keys / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={keys / 'kube-apiserver.key'}",
        f"--client-ca-file={authority.path}",
        f"--kubelet-client-certificate={keys / 'kubelet-client.crt'}",
        f"--kubelet-client-key={keys / 'kubelet-client.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={tokens}",
        f"--service-account-signing-key-file={tokens}",
        "--kubelet-preferred-address-types=InternalIP",  # nobody resolves the names of nodes
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
    )
    (folder / "s3" / BUCKET).mkdir(parents=True, exist_ok=True)
    _run(
        daemons,
        "versitygw",
        "--port",
        f"{CONTROL_IP}:{S3_PORT}",
        "posix",
        str(folder / "s3"),
        ROOT_ACCESS_KEY=S3_ACCESS_KEY,
        ROOT_SECRET_KEY=S3_SECRET_KEY,
    )
    return tokens


def start_controllers(daemons: Daemons, authority: Authority, folder: Path, tokens: Path) -> None:
    """Start what asks the API server, once that is ready: some of it ends when its rights are not there yet."""
    controllers = authority.kubeconfig(folder / "controllers.json", API, "system:kube-controller-manager")
    scheduler = authority.kubeconfig(folder / "scheduler.json", API, "system:kube-scheduler")
    dns = authority.kubeconfig(folder / "dns.json", API, "dns", ("system:masters",))
    _run(
        daemons,
        "kube-controller-manager",
        f"--kubeconfig={controllers}",
        f"--authentication-kubeconfig={controllers}",
        f"--authorization-kubeconfig={controllers}",
        f"--service-account-private-key-file={tokens}",
        f"--root-ca-file={authority.path}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        # A node that is lost is known to be so in half a minute.
        "--node-monitor-grace-period=20s",
    )
    _run(
        daemons,
        "kube-scheduler",
        f"--kubeconfig={scheduler}",
        f"--authentication-kubeconfig={scheduler}",
        f"--authorization-kubeconfig={scheduler}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    )
    (folder / "Corefile").write_text(_COREFILE.format(ip=CONTROL_IP, kubeconfig=dns))
    _run(daemons, "coredns", "-conf", str(folder / "Corefile"))


def kubectl(programs: Path, kubeconfig: Path, *arguments: str, text: str | None = None) -> str:
    """Run kubectl and return its output. Raises RuntimeError with what it said."""
    done = subprocess.run(
        [str(programs / "kubectl"), f"--kubeconfig={kubeconfig}", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def wait_until_ready(programs: Path, kubeconfig: Path, timeout_s: float = 120) -> None:
    """Wait until the API server answers and has made the roles that come with it."""

    def answers() -> bool:
        try:
            return kubectl(programs, kubeconfig, "get", "--raw", "/readyz") == "ok"
        except RuntimeError:
            return False

    wait_for("the API server", answers, timeout_s, pause_s=0.5)
