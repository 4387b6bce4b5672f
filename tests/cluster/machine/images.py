"""Building images without Docker: debootstrap and pip in a chroot, written as OCI layouts with uncompressed layers.

A layer is kept in the cache folder under a name made from its contents, so only a change of those builds it again. The
layers with our own code are made anew each time, which takes seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastic_spawner.lib import build_lib

from . import contents, versions
from .build import CannotBuild, say
from .contents import VENV, Contents

_NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log")
_MACHINES_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer: its file and its digest, which is its diff id too."""

    path: Path
    digest: str

    @classmethod
    def of(cls, path: Path) -> Layer:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(2**22):
                digest.update(block)
        return cls(path, digest.hexdigest())


def build_all(target: Path) -> list[Path]:
    """Make the archives of all images in ``target``; those that are there already stay. Raises CannotBuild."""
    target.mkdir(parents=True, exist_ok=True)
    archives = [_archive(target, contents.PAUSE_REFERENCE, [_pause_layer()], {"Entrypoint": ["/pause"]})]
    archives.append(_archive(target, contents.AGENT_REFERENCE, [_agent_layer(target)], {"User": "65534:65534"}))
    for image in contents.IMAGES:
        configuration = {
            "User": str(contents.USER_ID),
            "WorkingDir": "/home/jovyan",
            "Env": [f"PATH={VENV}/bin:/usr/local/bin:/usr/bin:/bin", "HOME=/home/jovyan"],
        }
        base = base_layer(image)
        reference = contents.reference(f"{image.name}-base") if image.ours else image.reference
        archives.append(_archive(target, reference, [base], configuration))
        if image.ours:
            # Without the layer of the archive before it, which a node has by then: our code changes often.
            own = _own_layer(target, image)
            archives.append(_archive(target, image.reference, [base, own], configuration, leave_out=base))
    for old in target.glob("*.tar"):
        if old not in archives:
            old.unlink()
    return archives


# -- layers ------------------------------------------------------------------------------------------------------------


def base_layer(image: Contents) -> Layer:
    """The layer with Debian, its packages and the virtual environment, built when it is not in the cache."""
    key = versions.key(image.debian, *image.packages, "pip", *image.pip, "node", *image.node, "3")
    folder = versions.cache_folder() / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    path, mark = folder / f"{image.name}-{key}.tar", folder / f"{image.name}-{key}.sha256"
    with open(folder / f".lock-{image.name}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            for old in folder.glob(f"{image.name}-????????????.*"):
                old.unlink()
            say(f"building the image {image.name} ...")
            root = Path(tempfile.mkdtemp(prefix=f"root-{image.name}-", dir=folder))
            try:
                _fill(root, image)
                _pack(root, path)
            finally:
                shutil.rmtree(root, ignore_errors=True)
            mark.write_text(Layer.of(path).digest)
    return Layer(path, mark.read_text())


def _fill(root: Path, image: Contents) -> None:
    source = "http://deb.debian.org/debian"
    packages = ",".join(("ca-certificates", *image.packages))
    _run("debootstrap", "--variant=minbase", f"--include={packages}", image.debian, str(root), source)
    with _network(root):
        # Of our environment only what says where packages come from: paths of this machine mean nothing in there.
        index = [f"{name}={os.environ[name]}" for name in _PIP_SETTINGS if name in os.environ]
        enter = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", *index, "chroot", str(root)]
        _run(*enter, "python3", "-m", "venv", VENV)
        _run(*enter, f"{VENV}/bin/pip", "install", "--no-cache-dir", "-q", *image.pip)
    if image.node:
        if shutil.which("npm") is None:
            raise CannotBuild("npm is needed for the hub's image: apt-get install npm")
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(root / "opt/node"), *image.node)
        for command in (root / "opt/node/node_modules/.bin").iterdir():
            (root / "usr/local/bin" / command.name).symlink_to(f"/opt/node/node_modules/.bin/{command.name}")
    home = root / "home/jovyan"
    home.mkdir(parents=True)
    os.chown(home, contents.USER_ID, contents.USER_ID)
    for name, line in (("passwd", "jovyan:x:{0}:{0}::/home/jovyan:/bin/sh"), ("group", "jovyan:x:{0}:")):
        with open(root / "etc" / name, "a") as file:
            file.write(line.format(contents.USER_ID) + "\n")
    for name in _NOT_NEEDED:
        shutil.rmtree(root / name, ignore_errors=True)


@contextmanager
def _network(root: Path) -> Iterator[None]:
    """Lend the machine's resolver and certificates to a chroot; they do not stay in the image."""
    resolver, certificates, settings = root / "etc/resolv.conf", root / "tmp/certificates.pem", root / "etc/pip.conf"
    shutil.copyfile("/etc/resolv.conf", resolver)
    if Path(_MACHINES_CERTIFICATES).exists():
        shutil.copyfile(_MACHINES_CERTIFICATES, certificates)
        settings.write_text("[global]\ncert = /tmp/certificates.pem\n")
    try:
        yield
    finally:
        for path in (resolver, certificates, settings):
            path.unlink(missing_ok=True)


def _own_layer(target: Path, image: Contents) -> Layer:
    """Our package, installed without its dependencies, in the virtual environment of an image."""
    with tempfile.TemporaryDirectory(dir=target) as work:
        root = Path(work, "root")
        packages = f"lib/python{_python_of(image)}/site-packages"
        site = root / VENV.lstrip("/") / packages
        shutil.copytree(_source() / "elastic_spawner", site / "elastic_spawner", ignore=_no_caches)
        # Entry points are found by metadata; the demo's notebook is not needed here.
        distribution = site / "elastic_spawner-0.dist-info"
        distribution.mkdir()
        (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: elastic-spawner\nVersion: 0\n")
        (distribution / "entry_points.txt").write_text(_entry_points())
        path = target / "own.layer"
        _pack(root, path)
        return Layer.of(path)


def _python_of(image: Contents) -> str:
    return {"bookworm": "3.11", "trixie": "3.13"}[image.debian]


def _entry_points() -> str:
    lines = (_source() / "pyproject.toml").read_text().splitlines()
    start = lines.index('[project.entry-points."jupyterhub.spawners"]')
    found = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        found.append(line.replace('"', ""))
    return "[jupyterhub.spawners]\n" + "\n".join(found) + "\n"


def _agent_layer(target: Path) -> Layer:
    """The packages that are lent to user pods, under /lib, and a static busybox for the init container."""
    with tempfile.TemporaryDirectory(dir=target) as work:
        root = Path(work, "root")
        (root / "bin").mkdir(parents=True)
        shutil.copytree(build_lib(Path(work, "made"), copy=True), root / "lib", ignore=_no_caches)
        for python in _pythons():
            _run(*contents.compile_command(python, str(root / "lib")))
        shutil.copyfile(_busybox(), root / "bin" / "busybox")
        (root / "bin" / "busybox").chmod(0o755)
        for name in ("sh", "cp"):
            (root / "bin" / name).symlink_to("busybox")
        path = target / "agent.layer"
        _pack(root, path)
        return Layer.of(path)


def _pythons() -> list[str]:
    """The interpreters of this machine that are of a version which the user images have."""
    found = []
    for version in sorted({_python_of(image) for image in contents.IMAGES}):
        ours = "{}.{}".format(*sys.version_info) == version
        python = sys.executable if ours else shutil.which(f"python{version}")
        if python and subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0:
            found.append(python)
    return found


def _busybox() -> Path:
    path = versions.cache_folder() / "busybox"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=versions.cache_folder()) as work:
            Path(work).chmod(0o755)
            _run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "busybox-static", folder=Path(work))
            (package,) = Path(work).glob("*.deb")
            _run("dpkg-deb", "-x", str(package), work)
            shutil.copyfile(Path(work, "bin/busybox"), path)
    return path


def _pause_layer() -> Layer:
    path = versions.programs_folder() / "pause.layer"
    with tarfile.open(path, "w") as tar:
        tar.add(versions.programs_folder() / "pause", "pause", filter=_plain)
    return Layer.of(path)


def _source() -> Path:
    return Path(__file__).resolve().parents[3]


def _no_caches(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def _pack(root: Path, path: Path) -> None:
    """Write a folder as a layer. What we made ourselves belongs to root and has one date: same files, same digest."""
    making = path.with_suffix(".making")
    ours = not (root / "etc").exists()
    with tarfile.open(making, "w") as tar:
        for entry in sorted(root.iterdir()):
            tar.add(entry, entry.name, filter=_plain if ours else _no_devices)
    making.rename(path)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = _EPOCH
    return entry


def _no_devices(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.ischr() or entry.isblk() or entry.name.startswith(("proc/", "sys/")) else entry


# -- archives ----------------------------------------------------------------------------------------------------------


def _archive(
    target: Path,
    reference: str,
    layers: Sequence[Layer],
    configuration: dict[str, Any],
    leave_out: Layer | None = None,
) -> Path:
    """Write an OCI layout as a tar file, unless the very same is there; return its path."""
    config = _json(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": configuration,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": f"sha256:{layer.digest}",
                    "size": layer.path.stat().st_size,
                }
                for layer in layers
            ],
        }
    )
    index = _json(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    **_descriptor("manifest.v1+json", manifest),
                    "annotations": {
                        "io.containerd.image.name": reference,
                        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
                    },
                }
            ],
        }
    )
    name = reference.rpartition("/")[2].partition(":")[0]
    path = target / f"{name}-{hashlib.sha256(index).hexdigest()[:16]}.tar"
    if path.exists():
        return path
    making = path.with_suffix(".making")
    with tarfile.open(making, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", index)
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        for layer in layers:
            if layer == leave_out:
                continue
            tar.add(layer.path, f"blobs/sha256/{layer.digest}", filter=_plain)
    making.rename(path)
    return path


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {
        "mediaType": f"application/vnd.oci.image.{kind}",
        "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}",
        "size": len(blob),
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(
        ["nice", *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise CannotBuild(f"`{' '.join(command)}` failed:\n{done.stdout[-4000:]}")
