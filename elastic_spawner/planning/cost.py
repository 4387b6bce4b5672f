"""What it costs to store, load and re-run, learnt from what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PlanError

MIB = 1 << 20

SMALL = 64 * 1024
"""Fewer bytes than this tell how long a transfer takes to begin, more tell how fast it then is."""

MEMORY = 4096 * MIB
"""A rate is learnt from about this many bytes; older observations fade."""

SERIALISE = {"buffers": 4000 * MIB, "pickle5": 200 * MIB, "cloudpickle": 80 * MIB, "dill": 20 * MIB}
"""Bytes per second to begin with. Buffers are hashed, but go out without being pickled."""

READ_REMOTE, READ_LOCAL = 400 * MIB, 1500 * MIB
"""Bytes per second to begin with, from a store behind a network and from a file system, by several threads at once."""


@dataclass
class Rate:
    """Seconds for a number of bytes: a fixed part and a part in proportion.

    What it begins with counts like an observation of 64 MiB, so that a few real ones outweigh it.
    """

    bytes: float
    seconds: float
    fixed: float

    @classmethod
    def of(cls, bytes_per_second: float, fixed: float) -> Rate:
        """A rate to begin with; ``fixed`` in seconds."""
        return cls(64 * MIB, 64 * MIB / bytes_per_second, fixed)

    def expect(self, size: float) -> float:
        """Seconds that ``size`` bytes will take."""
        return self.fixed + size * self.seconds / self.bytes

    def observe(self, size: float, seconds: float) -> None:
        """Learn from ``size`` bytes that took ``seconds``. Raises PlanError when either is negative or not finite."""
        if not (0 <= size < math.inf and 0 <= seconds < math.inf):
            raise PlanError(f"{size} bytes in {seconds} seconds cannot have been measured")
        if size < SMALL:
            self.fixed += 0.1 * (max(seconds - size * self.seconds / self.bytes, 0.0) - self.fixed)
            return
        self.bytes += size
        # Never nothing: a clock may be too coarse to see what it took
        self.seconds += max(seconds - self.fixed, size / (1 << 40))
        if self.bytes > MEMORY:
            fade = MEMORY / self.bytes
            self.bytes *= fade
            self.seconds *= fade


@dataclass
class CostModel:
    """Rates of one kernel and its store. Sizes are bytes in memory, before compression; times are seconds."""

    serialise: dict[str, Rate] = field(default_factory=lambda: {c: Rate.of(r, 2e-4) for c, r in SERIALISE.items()})
    """By codec."""
    deserialise: Rate = field(default_factory=lambda: Rate.of(400 * MIB, 1e-4))
    """Of objects that a stream describes."""
    verify: Rate = field(default_factory=lambda: Rate.of(1500 * MIB, 1e-4))
    """Of buffers, which are there as soon as they are read, and only hashed."""
    write: Rate = field(default_factory=lambda: Rate.of(200 * MIB, 2e-3))
    """To the store, of compressed bytes."""
    read: Rate = field(default_factory=lambda: Rate.of(READ_REMOTE, 1e-3))
    """From the store, of compressed bytes."""
    plain_bytes: float = 64.0 * MIB
    stored_bytes: float = 64.0 * MIB
    imports: dict[str, float] = field(default_factory=dict)
    """Top-level module -> seconds that its import took."""
    speed: float = 1.0
    """Of the target machine, as a multiple of this one's."""

    @classmethod
    def of_store(cls, remote: bool) -> CostModel:
        """What is known of a store before anything was measured: whether it is behind a network."""
        return cls() if remote else cls(read=Rate.of(READ_LOCAL, 1e-3))

    @property
    def compression(self) -> float:
        """Stored bytes for each byte, as observed; 1 to begin with."""
        return self.stored_bytes / self.plain_bytes

    def store_seconds(self, size: float, codec: str = "pickle5", clean: bool = False) -> float:
        """Seconds still to be spent to store ``size`` bytes; 0 when they are stored already (``clean``).

        A codec never observed counts as the slowest one known.
        """
        if clean:
            return 0.0
        rate = self.serialise.get(codec)
        pickling = rate.expect(size) if rate else max(known.expect(size) for known in self.serialise.values())
        return pickling + self.write.expect(size * self.compression)

    def load_seconds(self, size: float, codec: str = "pickle5") -> float:
        """Seconds to read and load ``size`` bytes on the target machine."""
        rate = self.verify if codec == "buffers" else self.deserialise
        return self.read.expect(size * self.compression) + rate.expect(size) / self.speed

    def rerun_seconds(self, seconds: float) -> float:
        """Seconds that a cell takes on the target machine which took ``seconds`` here; infinity stays infinite."""
        return seconds / self.speed

    def import_seconds(self, modules: Iterable[str]) -> float:
        """Seconds to import the modules on the target machine; those whose import was not measured count as free."""
        return sum(self.imports.get(name, 0.0) for name in set(modules)) / self.speed

    def observe_serialise(self, codec: str, size: float, seconds: float) -> None:
        """Learn from ``size`` bytes that were pickled by ``codec`` in ``seconds``."""
        self.serialise.setdefault(codec, Rate.of(SERIALISE["pickle5"], 2e-4)).observe(size, seconds)

    def observe_load(self, size: float, seconds: float) -> None:
        """Learn from ``size`` bytes that were unpickled in ``seconds``, reading not counted."""
        self.deserialise.observe(size, seconds)

    def observe_write(self, size: float, seconds: float) -> None:
        """Learn from ``size`` compressed bytes that were written to the store in ``seconds``."""
        self.write.observe(size, seconds)

    def observe_read(self, size: float, seconds: float) -> None:
        """Learn from ``size`` compressed bytes that were read from the store in ``seconds``."""
        self.read.observe(size, seconds)

    def observe_compression(self, plain: float, stored: float) -> None:
        """Learn that ``plain`` bytes became ``stored`` bytes."""
        if not (0 <= plain < math.inf and 0 <= stored < math.inf):
            raise PlanError(f"{plain} bytes cannot have become {stored}")
        self.plain_bytes += plain
        self.stored_bytes += stored
        if self.plain_bytes > MEMORY:
            fade = MEMORY / self.plain_bytes
            self.plain_bytes *= fade
            self.stored_bytes *= fade

    def observe_import(self, module: str, seconds: float) -> None:
        """Learn that importing ``module`` took ``seconds``."""
        if not 0 <= seconds < math.inf:
            raise PlanError(f"the import of {module} cannot have taken {seconds} seconds")
        self.imports[module] = seconds

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "serialise": {codec: _pack(rate) for codec, rate in sorted(self.serialise.items())},
            "deserialise": _pack(self.deserialise),
            "verify": _pack(self.verify),
            "write": _pack(self.write),
            "read": _pack(self.read),
            "compression": [self.plain_bytes, self.stored_bytes],
            "imports": dict(sorted(self.imports.items())),
            "speed": self.speed,
        }

    def of_the_store(self) -> dict[str, Any]:
        """What is known of the store alone, as `to_dict` has it: it holds for another machine, too."""
        return {k: v for k, v in self.to_dict().items() if k in ("write", "read", "compression")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CostModel:
        """Inverse of `to_dict`; what is missing begins anew. Raises PlanError when the data make no sense."""
        model = cls()
        try:
            model.serialise.update({str(codec): _unpack(rate) for codec, rate in data.get("serialise", {}).items()})
            for name in ("deserialise", "verify", "write", "read"):
                if name in data:
                    setattr(model, name, _unpack(data[name]))
            if "compression" in data:
                plain, stored = (_positive(value) for value in data["compression"])
                model.plain_bytes, model.stored_bytes = plain, stored
            for module, seconds in data.get("imports", {}).items():
                model.observe_import(str(module), float(seconds))
            model.speed = _positive(data.get("speed", 1.0))
        except (TypeError, ValueError, AttributeError) as error:
            raise PlanError(f"these are not the rates of a cost model ({error}); drop them to begin anew") from error
        return model


def _pack(rate: Rate) -> list[float]:
    return [rate.bytes, rate.seconds, rate.fixed]


def _unpack(values: Any) -> Rate:
    size, seconds, fixed = values
    if not 0 <= float(fixed) < math.inf:
        raise ValueError(f"{fixed} seconds")
    return Rate(_positive(size), _positive(seconds), float(fixed))


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{value} is not above 0")
    return number
