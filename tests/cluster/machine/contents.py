"""What is in each image; both the images that are built here and the Dockerfiles are made from this list."""

from __future__ import annotations

from dataclasses import dataclass

from elastic_spawner.hub.kube_pod import MOUNT

REGISTRY = "elastic.test"
"""No such registry exists, so that nothing is ever pulled."""

VENV = "/opt/venv"
USER_ID = 1000


def reference(name: str) -> str:
    """The full name of an image of ours."""
    return f"{REGISTRY}/{name}:1"


@dataclass(frozen=True)
class Contents:
    """One image: a Debian release, its packages, and one virtual environment in ``/opt/venv``, first on the PATH."""

    name: str
    debian: str
    packages: tuple[str, ...]
    pip: tuple[str, ...]
    purpose: str
    node: tuple[str, ...] = ()
    """Packages of npm, their commands linked into /usr/local/bin."""
    ours: bool = False
    """Whether elastic_spawner itself goes in, as a layer of its own."""

    @property
    def reference(self) -> str:
        return reference(self.name)

    def dockerfile(self) -> str:
        """The same image for people who have Docker; the build context is the repository."""
        lines = [
            f"# {self.purpose}",
            "# Made by `python -m tests.cluster.machine dockerfiles` from tests/cluster/machine/contents.py.",
            f"FROM debian:{self.debian}-slim",
            "RUN apt-get update && apt-get install -y --no-install-recommends \\",
            f"        ca-certificates {' '.join(self.packages)} \\",
            "    && rm -rf /var/lib/apt/lists/*",
            f"RUN python3 -m venv {VENV} \\",
            f"    && {VENV}/bin/pip install --no-cache-dir \\",
            f"        {' '.join(map(_quoted, self.pip))}",
        ]
        if self.node:
            lines.append(f"RUN apt-get update && apt-get install -y npm && npm install -g {' '.join(self.node)}")
        if self.ours:
            lines += ["COPY . /src", f'RUN {VENV}/bin/pip install --no-cache-dir "/src[kube,s3]" && rm -rf /src']
        lines += [
            f"RUN useradd --create-home --uid {USER_ID} jovyan",
            f"ENV PATH={VENV}/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/jovyan",
            "WORKDIR /home/jovyan",
            f"USER {USER_ID}",
        ]
        return "\n".join(lines) + "\n"


def _quoted(requirement: str) -> str:
    return f"'{requirement}'"


_NOTEBOOK = ("jupyterlab==4.4.*", "ipykernel==6.*", "jupyterhub==5.5.*", "numpy==2.2.*")

HUB = Contents(
    "hub",
    "bookworm",
    ("python3", "python3-venv", "nodejs"),
    ("jupyterhub==5.5.*", "jupyterhub-kubespawner==7.*", "boto3==1.*", "jupyter_server==2.*", "dill", "networkx"),
    "The hub with its proxy, and elastic_spawner.",
    node=("configurable-http-proxy@^5",),
    ours=True,
)
USER = Contents(
    "user", "bookworm", ("python3", "python3-venv"), _NOTEBOOK, "A user image as anybody's: nothing of ours is in it."
)
OTHER = Contents(
    "user-other-python",
    "trixie",
    ("python3", "python3-venv"),
    ("jupyterlab==4.*", "ipykernel==7.*", "jupyterhub==6.*"),
    "A user image with another Python, ipykernel and JupyterHub; nothing of ours is in it.",
)
IMAGES = (HUB, USER, OTHER)
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""The versions that the lent packages are compiled for: nobody can write beside them, so every start would do it."""
COMPILED = ("elastic_spawner", "dill", "cloudpickle")
"""The lent packages that are compiled; networkx is large, and used by few saves."""


def compile_command(python: str, folder: str) -> list[str]:
    """How to compile the packages in a folder for one Python. They do not change any more, so nothing is looked up."""
    packages = [f"{folder}/{name}" for name in COMPILED]
    where = ["-s", folder, "-p", f"{MOUNT}/lib"]  # the same file, wherever it is made
    return [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *where, *packages]


def agent_dockerfile() -> str:
    """The image of the lent packages, for people who have Docker; the build context is the repository."""
    lines = [
        "# The packages that are lent to user pods, under /lib, and `cp` for the init container.",
        "# Made by `python -m tests.cluster.machine dockerfiles` from tests/cluster/machine/contents.py.",
        "FROM python:3.12-slim AS made",
        "COPY . /src",
        "RUN pip install --no-cache-dir /src \\",
        """    && python -c "from elastic_spawner.lib import build_lib; build_lib('/made', copy=True)" \\""",
        "    && mv /made/lib-* /packages",
    ]
    before = "made"
    for version in PYTHONS:
        lines += [
            f"FROM python:{version}-slim AS compiled-{version}",
            f"COPY --from={before} /packages /packages",
            f"RUN {' '.join(compile_command('python', '/packages'))}",
        ]
        before = f"compiled-{version}"
    lines += ["FROM busybox:1.37-musl", f"COPY --from={before} /packages /lib", "USER 65534"]
    return "\n".join(lines) + "\n"


AGENT_REFERENCE = reference("agent")
"""The folder of packages that is lent to user pods, with a static busybox that can copy it."""
PAUSE_REFERENCE = reference("pause")
