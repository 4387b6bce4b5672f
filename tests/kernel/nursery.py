"""A process that has imported what every kernel imports, and forks kernels: a case starts two, and many cases run.

Run as a script by the kernels' interpreter. Each line on its standard input describes a kernel as JSON (cwd, env, log,
connection); the answer is its process id. Kernels of one nursery have one seed of string hashes: sessions are restored
in kernels of another nursery than they were saved in, or what depends on the order of sets would not show.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys


def main() -> None:
    """Answer requests until the standard input ends."""
    import ipykernel.ipkernel
    import ipykernel.kernelapp  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            break
        print(pid, flush=True)
    else:
        return
    become(wanted)


def become(wanted: dict[str, object]) -> None:
    """Be the kernel that was asked for."""
    from ipykernel import kernelapp

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(wanted["env"])  # type: ignore[call-overload]
    os.chdir(str(wanted["cwd"]))
    log = os.open(str(wanted["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    faulthandler.register(signal.SIGRTMAX, file=os.dup(log))  # the runner asks so what a kernel waits for
    sys.argv = [kernelapp.__file__, "-f", str(wanted["connection"])]
    # as `python -m ipykernel_launcher` has it
    sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]
    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
