"""The cost model learns from what was measured."""

from __future__ import annotations

import json
import math

import pytest

from elastic_spawner.errors import PlanError
from elastic_spawner.planning import CostModel

MIB = 1 << 20


def test_clean_data_cost_nothing_to_store() -> None:
    """What is stored already need not be stored again, but has to be loaded."""
    model = CostModel()
    assert model.store_seconds(MIB, clean=True) == 0
    assert model.load_seconds(MIB) > 0


def test_buffers_are_cheaper_than_pickles() -> None:
    """The codecs begin in the order of their known speeds, and an unknown one counts as the slowest."""
    model = CostModel()
    times = [model.store_seconds(100 * MIB, codec) for codec in ("buffers", "pickle5", "cloudpickle", "dill")]
    assert times == sorted(times)
    assert model.store_seconds(100 * MIB, "new") == times[-1]


@pytest.mark.parametrize("observe", ["observe_write", "observe_read", "observe_load"])
def test_rates_follow_what_is_observed(observe: str) -> None:
    """After enough bytes at 10 MiB/s, that is the rate."""
    model = CostModel()
    for _ in range(200):
        getattr(model, observe)(100 * MIB, 10.0)
    rate = {"observe_write": model.write, "observe_read": model.read, "observe_load": model.deserialise}[observe]
    assert rate.expect(100 * MIB) == pytest.approx(10, rel=0.05)


def test_old_observations_fade() -> None:
    """A store that became ten times slower is seen as such."""
    model = CostModel()
    for seconds in (0.1, 1.0):
        for _ in range(400):
            model.observe_write(64 * MIB, seconds)
    assert model.write.expect(64 * MIB) == pytest.approx(1.0, rel=0.1)


def test_small_transfers_tell_the_latency_and_not_the_rate() -> None:
    """A thousand tiny writes do not make a large one look slow."""
    model = CostModel()
    before = model.write.expect(1000 * MIB)
    for _ in range(1000):
        model.observe_write(100, 0.05)
    assert model.write.expect(0) == pytest.approx(0.05, rel=0.01)
    assert model.write.expect(1000 * MIB) - before < 0.1


def test_compression_makes_the_store_faster() -> None:
    """Only compressed bytes travel."""
    model = CostModel()
    before = model.load_seconds(1000 * MIB)
    model.observe_compression(1000 * MIB, 100 * MIB)
    assert model.compression < 0.2
    assert model.load_seconds(1000 * MIB) < before


def test_a_faster_target_re_runs_and_imports_sooner() -> None:
    """Measured times are scaled to the machine that will restore; what must not be re-run stays so."""
    model = CostModel(speed=2.0)
    model.observe_import("torch", 3.0)
    assert model.rerun_seconds(10) == 5
    assert model.rerun_seconds(math.inf) == math.inf
    assert model.import_seconds(["torch", "torch", "never_seen"]) == 1.5


def test_a_model_survives_json() -> None:
    """What was learnt is the same after a round trip."""
    model = CostModel()
    model.observe_serialise("own", 10 * MIB, 2.0)
    model.observe_write(10 * MIB, 0.1)
    model.observe_compression(10 * MIB, 5 * MIB)
    model.observe_import("numpy", 0.1)
    assert CostModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model
    assert CostModel.from_dict({}) == CostModel()


@pytest.mark.parametrize("data", [{"write": [0, 1, 1]}, {"read": "fast"}, {"serialise": {"dill": [1]}}, {"speed": -1}])
def test_data_that_make_no_sense_are_refused(data: dict) -> None:
    """A damaged file is an error, not a division by zero at the next plan."""
    with pytest.raises(PlanError, match="begin anew"):
        CostModel.from_dict(data)


@pytest.mark.parametrize(("size", "seconds"), [(-1, 1), (1, -1), (math.nan, 1), (1, math.inf)])
def test_impossible_measurements_are_refused(size: float, seconds: float) -> None:
    """Nothing is learnt from what cannot have been measured."""
    with pytest.raises(PlanError):
        CostModel().observe_write(size, seconds)


def test_files_at_hand_are_loaded_sooner_than_those_behind_a_network() -> None:
    """Until a store was measured its kind decides: what a re-run takes half a second for is loaded from a local one."""
    near, far = CostModel.of_store(remote=False), CostModel.of_store(remote=True)
    assert near.load_seconds(160 * MIB, "buffers") < 0.5 < far.load_seconds(160 * MIB, "buffers")
    assert near.store_seconds(160 * MIB, "buffers") == far.store_seconds(160 * MIB, "buffers")
