"""Server processes are found again, and not confused with others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from elastic_spawner.hub.processes import LaunchRecord, read_launch, start_time, write_launch


def test_a_process_notes_itself_before_it_runs_its_program(tmp_path):
    path = tmp_path / "launch.json"
    with subprocess.Popen(["sleep", "60"], preexec_fn=lambda: write_launch(path, "abc")) as process:
        record = read_launch(path)
        assert record == LaunchRecord("abc", process.pid, start_time(process.pid))
        assert record.alive
        process.kill()
        process.wait()
        assert not record.alive


def test_a_zombie_does_not_run():
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        deadline = time.monotonic() + 20
        while start_time(process.pid) is not None:  # it ends, but nobody has waited for it yet
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, 0)  # its number is still taken
    finally:
        process.wait()


def test_another_process_of_the_same_number_is_not_it():
    mine = start_time(os.getpid())
    assert mine is not None
    assert LaunchRecord("abc", os.getpid(), mine).alive
    assert not LaunchRecord("abc", os.getpid(), mine - 1).alive


def test_a_damaged_record_is_none(tmp_path):
    path = tmp_path / "launch.json"
    assert read_launch(path) is None
    for text in ("", "{", "[]", json.dumps({"launch": "a"})):
        path.write_text(text)
        assert read_launch(path) is None
