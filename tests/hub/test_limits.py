"""Limits hold on real processes, and on what these start."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from elastic_spawner.hub import limits, processes

MB = 1 << 20
pytestmark = pytest.mark.skipif(not limits.SUPPORTED, reason="limits hold on Linux only")


def run(code: str, memory: int | None = None, cpus: set[int] | None = None) -> str:
    """Run Python code in a child with these limits, and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: limits.limit_this_process(memory, cpus),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return result.stdout.strip() or result.stderr.strip().splitlines()[-1]


def test_python_objects_above_the_limit_are_a_memory_error():
    code = "try:\n b = bytearray({} << 20); print('fits')\nexcept MemoryError: print('MemoryError')"
    assert run(code.format(100), memory=300 * MB) == "fits"
    assert run(code.format(400), memory=300 * MB) == "MemoryError"


def test_many_small_objects_are_a_memory_error_too():
    code = "try:\n x = [[i] for i in range(10**8)]\nexcept MemoryError: x = None; print('MemoryError')"
    assert run(code, memory=200 * MB) == "MemoryError"


def test_arrays_above_the_limit_are_a_memory_error():
    pytest.importorskip("numpy")
    code = "import numpy as n\ntry:\n n.ones({} << 17); print('fits')\nexcept MemoryError: print('MemoryError')"
    assert run(code.format(200), memory=600 * MB) == "fits"
    assert run(code.format(700), memory=600 * MB) == "MemoryError"


def test_threads_cost_no_more_than_their_stacks():
    """With RLIMIT_AS a few threads would use up the limit by address space that they only reserve."""
    code = """
import threading
gate = threading.Event()
threads = [threading.Thread(target=lambda: (bytearray(1000), gate.wait())) for _ in range(16)]
[t.start() for t in threads]; gate.set(); [t.join() for t in threads]
print("ran")"""
    assert run(code, memory=250 * MB) == "ran"


def test_the_limits_are_inherited_and_cannot_be_raised_back_by_a_user():
    code = """
import os, resource, subprocess, sys
inner = "import os, resource; print(resource.getrlimit(resource.RLIMIT_DATA), sorted(os.sched_getaffinity(0)))"
print(subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True).stdout)"""
    cpu = limits.usable_cpus()[0]
    assert run(code, memory=200 * MB, cpus={cpu}) == f"({200 * MB}, {200 * MB}) [{cpu}]"


def test_a_running_process_and_its_children_can_be_given_more():
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        try:
            found = set(processes.descendants(parent.pid))
            assert {parent.pid, child} <= found
            cpu = limits.usable_cpus()[-1]
            limits.limit_running(found, 300 * MB, {cpu})
            for pid in (parent.pid, child):
                assert resource.prlimit(pid, resource.RLIMIT_DATA) == (300 * MB, 300 * MB)
                assert os.sched_getaffinity(pid) == {cpu}
        finally:
            os.kill(child, 9)


def test_cpus_are_whole_ones_rounded_up_and_spread():
    usable = [2, 3, 5, 7]
    assert limits.choose_cpus(None, "ann/", usable) is None
    assert limits.choose_cpus(4, "ann/", usable) is None
    assert len(limits.choose_cpus(0.5, "ann/", usable)) == 1
    assert len(limits.choose_cpus(1.5, "ann/", usable)) == 2
    assert limits.choose_cpus(1, "ann/", usable) == limits.choose_cpus(1, "ann/", usable)
    taken = {next(iter(limits.choose_cpus(1, f"user{i}/", usable))) for i in range(50)}
    assert taken == set(usable)


def test_this_machine_is_known():
    assert limits.total_memory() > 100 * MB
    assert limits.usable_cpus() == sorted(os.sched_getaffinity(0))
