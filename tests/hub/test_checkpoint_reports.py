"""What a restore's report means for a move."""

from __future__ import annotations

import pytest

from elastic_spawner.hub.checkpoints import describe_checkpoint, failed_restores, still_coming

SAVED = {"id": "k", "path": "a.ipynb", "status": "saved", "lost": [{"name": "lock"}]}
CHECKPOINT = {"created": 0, "bytes": 3 << 20, "kernels": [SAVED, {"id": "e", "status": "empty"}]}


def report(**kernel):
    return {"kernels": [{"id": "k", "status": "restored", **kernel}, {"id": "e", "status": "empty"}]}


def lost(reason):
    return {"status": "lost", "reason": reason}


def test_all_is_back():
    variables = {"x": {"status": "loaded"}, "y": {"status": "recomputed"}}
    assert failed_restores(CHECKPOINT, report(variables=variables)) == ([], [])


def test_what_was_known_to_be_lost_is_no_news():
    assert failed_restores(CHECKPOINT, report(variables={"lock": lost("cannot be stored")})) == ([], [])


def test_too_little_memory_might_be_cured_by_another_size():
    cures, notes = failed_restores(CHECKPOINT, report(variables={"x": lost("MemoryError: Unable to allocate")}))
    assert cures == ["x of a.ipynb is lost: MemoryError: Unable to allocate"]
    assert notes == []


def test_other_losses_are_told_and_would_come_again_with_any_size():
    cures, notes = failed_restores(CHECKPOINT, report(variables={"x": lost("corrupt chunk")}))
    assert (cures, notes) == ([], ["x of a.ipynb is lost: corrupt chunk"])


@pytest.mark.parametrize(("reason", "cured"), [("loading it failed (MemoryError: )", 1), ("corrupt chunk", 0)])
def test_what_came_behind_and_could_not_be_loaded_is_no_longer_awaited(reason, cured):
    told = report(variables={"x": {"status": "pending", "reason": reason}})
    cures, notes = failed_restores(CHECKPOINT, told)
    assert (len(cures), len(notes)) == (cured, 1 - cured)
    assert reason in (cures + notes)[0]
    assert not still_coming(told)
    assert still_coming(report(variables={"x": {"status": "pending", "reason": ""}}))


def test_a_kernel_that_failed_might_be_cured():
    cures, _ = failed_restores(CHECKPOINT, report(status="failed", reason="the kernel died"))
    assert cures == ["the kernel of a.ipynb could not be restored: the kernel died"]


def test_a_kernel_that_is_not_there_is_told():
    assert failed_restores(CHECKPOINT, {"kernels": []}) == ([], ["the kernel of a.ipynb is not there any more"])


def test_without_a_checkpoint_there_is_nothing_to_compare():
    assert failed_restores(None, {}) == ([], [])


def test_a_checkpoint_in_words():
    assert describe_checkpoint(CHECKPOINT).startswith("1 kernel from the checkpoint of ")
    assert describe_checkpoint(CHECKPOINT).endswith("(3.0 MiB)")
