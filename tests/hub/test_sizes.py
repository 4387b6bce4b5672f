"""Sizes as people write them, and their bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_spawner.errors import SizeError
from elastic_spawner.hub.sizes import Bounds, format_memory, format_size, parse_cpus, parse_memory
from elastic_spawner.migration import Size

GB = 1 << 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2G", 2 * GB),
        ("2g", 2 * GB),
        ("2 GiB", 2 * GB),
        ("2GB", 2 * GB),
        ("1.5G", 3 * GB // 2),
        ("512M", 512 << 20),
        ("300K", 300 << 10),
        ("1T", 1 << 40),
        ("1048576", 1 << 20),
        (1 << 20, 1 << 20),
        (1048576.0, 1 << 20),
    ],
)
def test_memory_as_people_write_it(text, expected):
    assert parse_memory(text) == expected


@pytest.mark.parametrize(
    "nonsense", ["", "lots", "-1G", "0", "G", "2X", "2GG", "1e9", "nan", True, None, [], 0, -5, float("inf"), "½G"]
)
def test_nonsense_is_no_memory(nonsense):
    with pytest.raises(SizeError, match="is no size of memory"):
        parse_memory(nonsense)


@pytest.mark.parametrize(("text", "expected"), [(2, 2.0), ("2", 2.0), (0.5, 0.5), ("1.5", 1.5)])
def test_cpus(text, expected):
    assert parse_cpus(text) == expected


@pytest.mark.parametrize("nonsense", ["", "two", 0, -1, "nan", "inf", True, None, {}])
def test_nonsense_is_no_number_of_cpus(nonsense):
    with pytest.raises(SizeError, match="is no number of CPUs"):
        parse_cpus(nonsense)


@given(st.integers(1, 1 << 50))
def test_a_size_that_was_written_is_read_back_to_two_digits(memory):
    assert parse_memory(format_memory(memory)) == pytest.approx(memory, rel=0.01)


BOUNDS = Bounds(min_memory=GB, max_memory=4 * GB, min_cpus=1, max_cpus=4)


@pytest.mark.parametrize("size", [Size(GB, 1), Size(4 * GB, 4), Size(None, None), Size(2 * GB, 1.5)])
def test_sizes_within_the_bounds(size):
    assert BOUNDS.check(size) == size


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (Size(GB - 1, 1), "choose from 1G to 4G"),
        (Size(5 * GB, 1), "5G of memory is out of bounds: choose from 1G to 4G"),
        (Size(GB, 0.5), "0.5 CPUs are out of bounds: choose from 1 to 4"),
        (Size(GB, 8), "8 CPUs are out of bounds: choose from 1 to 4"),
    ],
)
def test_a_size_out_of_bounds_is_told_the_bounds(size, message):
    with pytest.raises(SizeError, match=message):
        BOUNDS.check(size)


def test_without_an_upper_bound_only_the_lower_one_is_told():
    with pytest.raises(SizeError, match="choose 1G or more"):
        Bounds(min_memory=GB).check(Size(1))


@given(st.integers(1, 1 << 40), st.floats(0.01, 1000))
def test_clamping_gives_a_size_that_is_allowed(memory, cpus):
    assert BOUNDS.check(BOUNDS.clamp(Size(memory, cpus)))


def test_sizes_in_words():
    assert format_size(Size(2 * GB, 1)) == "2G of memory and 1 CPU"
    assert format_size(Size(3 * GB // 2, 2.5)) == "1.5G of memory and 2.5 CPUs"
    assert format_size(Size()) == "unlimited memory and all CPUs"
