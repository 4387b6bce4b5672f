"""How arrays that share memory are taken apart, so that they share it again after a restore.

numpy and torch pickle every view as a copy. Here the memory that several arrays of a component look at is stored once,
and each of them as a look at it.
"""

from __future__ import annotations

import bisect
import ctypes
import pickle
import sys
from typing import Any

from ..objects.arrays import array_range
from . import rebuild
from .reduce_live import Unsavable


class Memory:
    """A stretch of this process's memory, stored out of band."""

    def __init__(self, low: int, high: int, rebuilder: Any) -> None:
        self.low, self.high, self.rebuilder = low, high, rebuilder

    def __reduce_ex__(self, protocol: Any) -> Any:
        view = memoryview((ctypes.c_char * (self.high - self.low)).from_address(self.low)).cast("B")
        return self.rebuilder, (pickle.PickleBuffer(view),)


class ArrayReducer:
    """Reductions of arrays and tensors, for one pickle stream.

    ``ranges`` are the memory ranges of all arrays of the component, ``private`` the ids of arrays that are to be
    copied.
    """

    def __init__(self, ranges: list[tuple[int, int]], private: set[int]) -> None:
        self.private = private
        self._shared = _merge(ranges)
        self._starts = [low for low, _, _ in self._shared]
        self._memory: dict[int, Memory] = {}

    def reduce(self, obj: Any) -> Any:
        """A reduction, or NotImplemented; raises Unsavable."""
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(obj, numpy.ndarray):
            return self._numpy(numpy, obj)
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "Tensor") and isinstance(obj, torch.Tensor):
            return self._torch(torch, obj)
        return NotImplemented

    def _numpy(self, numpy: Any, a: Any) -> Any:
        if type(a) is numpy.memmap and a.filename is not None and isinstance(a.base, __import__("mmap").mmap):
            order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
            a.flush()
            return rebuild.memory_map, (str(a.filename), a.dtype, a.mode, a.offset, a.shape, order)
        if id(a) in self.private or not a.size:
            return NotImplemented
        if type(a) not in (numpy.ndarray, numpy.recarray, numpy.matrix):
            return NotImplemented
        span = self._span(*array_range(a))
        if span is None:
            # alone on its memory: numpy pickles it well, but forgets that it is read-only
            return NotImplemented if a.flags.writeable else (rebuild.read_only, (a.copy(),))
        if a.dtype.hasobject:
            return self._object_view(numpy, a)
        low, high = span
        memory = self._memory.setdefault(low, Memory(low, high, rebuild.memory))
        address = a.__array_interface__["data"][0]
        cls = None if type(a) is numpy.ndarray else type(a)
        return rebuild.array_view, (memory, address - low, a.dtype, a.shape, a.strides, cls, bool(a.flags.writeable))

    def _object_view(self, numpy: Any, a: Any) -> Any:
        root = a
        while isinstance(root.base, numpy.ndarray):
            root = root.base
        if root is a or not root.flags.c_contiguous or type(root) is not numpy.ndarray:
            return NotImplemented
        offset = a.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        return rebuild.object_view, (root, offset, a.shape, a.strides, bool(a.flags.writeable))

    def _torch(self, torch: Any, t: Any) -> Any:
        if t.grad_fn is not None:
            raise Unsavable("it is part of an unfinished gradient computation")
        if type(t) not in (torch.Tensor, torch.nn.Parameter) or t.layout != torch.strided or t.device.type != "cpu":
            return NotImplemented
        if t.is_quantized or t._backward_hooks or t.is_conj() or t.is_neg():
            return NotImplemented
        storage = t.untyped_storage()
        low = storage.data_ptr()
        size = storage.nbytes()
        memory: Any = self._memory.setdefault(low, Memory(low, low + size, rebuild.torch_storage)) if size else _Empty()
        view = (memory, t.dtype, t.storage_offset(), tuple(t.shape), tuple(t.stride()), t.requires_grad)
        attributes = {k: v for k, v in t.__dict__.items()}
        parameter = type(t) is torch.nn.Parameter
        state = (attributes, t.grad)
        return rebuild.torch_tensor, (*view, parameter), state, None, None, rebuild.set_torch

    def _span(self, low: int, high: int) -> tuple[int, int] | None:
        """The shared stretch of memory that the range lies in."""
        position = bisect.bisect_right(self._starts, low) - 1
        if position < 0:
            return None
        start, end, arrays = self._shared[position]
        return (start, end) if arrays > 1 and high <= end else None


class _Empty:
    def __reduce__(self) -> Any:
        return rebuild.torch_storage, (b"",)


def _merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Overlapping ranges united: (first byte, byte after the last, how many arrays)."""
    merged: list[list[int]] = []
    for low, high in sorted(ranges):
        if high <= low:
            continue
        if merged and low < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
            merged[-1][2] += 1
        else:
            merged.append([low, high, 1])
    return [(low, high, n) for low, high, n in merged]
