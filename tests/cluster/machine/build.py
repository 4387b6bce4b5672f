"""Building the cluster's programs from source with Go: 10 to 15 minutes on two cores, once per machine and versions."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest_s3 import versitygw

from . import versions

KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_INSTALLED = {
    "containerd": f"{_CONTAINERD}/containerd@v{versions.CONTAINERD}",
    "containerd-shim-runc-v2": f"{_CONTAINERD}/containerd-shim-runc-v2@v{versions.CONTAINERD}",
    "ctr": f"{_CONTAINERD}/ctr@v{versions.CONTAINERD}",
    "helm": f"helm.sh/helm/v3/cmd/helm@v{versions.HELM}",
    "coredns": f"github.com/coredns/coredns@v{versions.COREDNS}",
}

_PAUSE = """
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) { _exit(0); }
static void reap(int signal) { while (waitpid(-1, NULL, WNOHANG) > 0) {} }

/* Holds a pod's namespaces: reaps what is left to it, and ends when it is told to. */
int main(void) {
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGCHLD, reap);
    for (;;) pause();
}
"""


class CannotBuild(Exception):
    """Something that is needed is not on this machine; the message says what."""


def say(text: str) -> None:
    print(f"[cluster] {text}", file=sys.stderr, flush=True)


def programs() -> Path:
    """The folder of programs, built when it is not there. Raises CannotBuild."""
    folder = versions.programs_folder()
    if (folder / "complete").exists():
        return folder
    with _building(folder):
        if not (folder / "complete").exists():
            _build(folder)
    return folder


def helm() -> Path:
    """The program helm, built when it is not there: rendering charts needs nothing else. Raises CannotBuild."""
    folder = versions.programs_folder()
    if not (folder / "helm").exists():
        with _building(folder), tempfile.TemporaryDirectory() as work:
            _install(folder, "helm", _INSTALLED["helm"], _environment(folder, Path(work)))
    return folder / "helm"


def kube_router() -> Path:
    """The program kube-router, built when it is not there: the tests of NetworkPolicies need it, and nothing else.

    Raises CannotBuild.
    """
    folder = versions.programs_folder()
    program = folder / f"kube-router-{versions.KUBE_ROUTER}"
    if not program.exists():
        with _building(folder), tempfile.TemporaryDirectory() as work:
            say("building kube-router ...")
            module = f"github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@v{versions.KUBE_ROUTER}"
            _install(folder, "kube-router", module, _environment(folder, Path(work)))
            (folder / "kube-router").rename(program)
    return program


@contextmanager
def _building(folder: Path) -> Iterator[None]:
    """Have the folder of programs for oneself."""
    if shutil.which("go") is None:
        raise CannotBuild("Go is needed to build Kubernetes (https://go.dev/dl/), and there is no `go` on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment(folder: Path, work: Path) -> dict[str, str]:
    """For Go, with caches of its own in ``work``, which go afterwards: some gigabytes that nobody needs again."""
    return {
        **os.environ,
        "GOPATH": str(work / "go"),
        "GOCACHE": str(work / "go-cache"),
        "GOMODCACHE": str(work / "go" / "pkg" / "mod"),
        "GOFLAGS": "-modcacherw -buildvcs=false -trimpath",
        "GOBIN": str(folder),
        "CGO_ENABLED": "0",
    }


def _build(folder: Path) -> None:
    work = folder.parent / "building"
    work.mkdir(exist_ok=True)
    environment = _environment(folder, work)
    steps = [("Kubernetes and etcd", lambda: _kubernetes(folder, work / "kubernetes", environment))]
    for name, module in _INSTALLED.items():
        steps.append((name, lambda n=name, m=module: _install(folder, n, m, environment)))  # type: ignore[misc]
    steps.append(("versitygw", lambda: _versitygw(folder)))
    steps.append(("the pause program", lambda: _pause(folder, work)))
    for name, step in steps:
        began = time.monotonic()
        say(f"building {name} ...")
        step()
        say(f"  took {time.monotonic() - began:.0f} s")
    (folder / "complete").touch()
    shutil.rmtree(work, ignore_errors=True)


def _run(command: list[str], environment: dict[str, str], folder: Path | None = None) -> str:
    done = subprocess.run(["nice", *command], env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuild(f"`{' '.join(command)}` failed:\n{done.stderr[-4000:]}")
    return done.stdout


def _kubernetes(target: Path, folder: Path, environment: dict[str, str]) -> None:
    wanted = [*KUBERNETES_PROGRAMS, "etcd"]
    if all((target / name).exists() for name in wanted):
        return
    version = versions.KUBERNETES
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = json.loads(_run(["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"], environment, folder))
    # Its go.mod requires its own parts as v0.0.0 and replaces them by folders, which only holds in its own tree.
    parts = sorted(set(re.findall(r"(k8s\.io/[\w.-]+) v0\.0\.0(?=\s)", Path(found["GoMod"]).read_text())))
    major, _, rest = version.partition(".")
    replaced = "".join(f"\t{part} => {part} v0.{rest}\n" for part in parts)
    go = re.search(r"^go (\S+)", Path(found["GoMod"]).read_text(), re.M)
    assert major == "1" and go is not None
    (folder / "go.mod").write_text(
        f"module cluster\n\ngo {go[1]}\n\nrequire k8s.io/kubernetes v{version}\n\nreplace (\n{replaced})\n"
    )
    packages = {name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS}
    packages["etcd"] = "go.etcd.io/etcd/server/v3"
    _run(["go", "mod", "edit", *(f"-tool={package}" for package in packages.values())], environment, folder)
    _run(["go", "mod", "tidy"], environment, folder)
    base = "k8s.io/component-base/version"
    # Without these, `kubectl version` and charts' kubeVersion checks fail.
    flags = f"-s -w -X {base}.gitVersion=v{version} -X {base}.gitMajor=1 -X {base}.gitMinor={rest.partition('.')[0]}"
    for name, package in packages.items():
        _run(["go", "build", "-ldflags", flags, "-o", str(target / name), package], environment, folder)


def _install(target: Path, name: str, module: str, environment: dict[str, str]) -> None:
    if not (target / name).exists():
        _run(["go", "install", "-ldflags", "-s -w", module], environment)


def _versitygw(target: Path) -> None:
    """The S3 server, which other tests use too."""
    try:
        shutil.copy2(versitygw(), target / "versitygw")
    except pytest.fail.Exception as error:
        raise CannotBuild(str(error)) from None


def _pause(target: Path, work: Path) -> None:
    source = work / "pause.c"
    source.write_text(_PAUSE)
    _run(["gcc", "-Os", "-static", "-o", str(target / "pause"), str(source)], dict(os.environ))


if __name__ == "__main__":
    print(programs())
