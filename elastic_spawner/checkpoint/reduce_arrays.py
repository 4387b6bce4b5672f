"""How arrays that share memory are taken apart, so that they share it again after a restore.

numpy and torch pickle every view as a copy. Here the memory that several arrays of a component look at is stored once,
and each of them as a look at it.
"""

from __future__ import annotations

import bisect
import ctypes
import mmap
import pickle
import sys
from typing import Any

from ..objects.arrays import array_range, owner_of, pickles_like_array, root_of
from . import rebuild
from .reduce_live import Unsavable


class Memory:
    """A stretch of this process's memory, stored out of band."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def __reduce_ex__(self, protocol: Any) -> Any:
        return rebuild.memory, (_buffer(self.low, self.high),)


class Storage:
    """The part of it that is a storage of torch's; ``memory`` is empty bytes for one of no size."""

    def __init__(self, memory: Memory | bytes, offset: int, size: int) -> None:
        self.memory, self.offset, self.size = memory, offset, size

    def __reduce_ex__(self, protocol: Any) -> Any:
        return rebuild.torch_storage, (self.memory, self.offset, self.size)


def _buffer(low: int, high: int) -> pickle.PickleBuffer:
    return pickle.PickleBuffer(memoryview((ctypes.c_char * (high - low)).from_address(low)).cast("B"))


class ArrayReducer:
    """Reductions of arrays and tensors, for one pickle stream.

    ``ranges`` are the memory ranges of all arrays of the component, ``private`` the ids of arrays that are to be
    copied, ``buffers`` those of the component's other objects whose memory an array may look at.
    """

    def __init__(self, ranges: list[tuple[int, int]], private: set[int], buffers: set[int]) -> None:
        self.private = private
        self.buffers = buffers
        self._ranges = set(ranges)
        self._shared = _merge(ranges)
        self._starts = [low for low, _, _ in self._shared]
        self._memory: dict[int, Memory] = {}
        self._storages: dict[tuple[int, int], Storage] = {}

    def reduce(self, obj: Any) -> Any:
        """A reduction, or NotImplemented; raises Unsavable."""
        if type(obj) is memoryview:
            return _memory_view(obj)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if isinstance(obj, numpy.ndarray):
                return self._numpy(numpy, obj)
            if isinstance(obj, numpy.void):
                return self._element(numpy, obj)
            if isinstance(obj, numpy.flatiter):
                return rebuild.flat_iterator, (obj.base, obj.index)
            if type(obj).__module__.startswith("numpy.random."):
                return _random(numpy, obj)
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "Tensor") and isinstance(obj, torch.Tensor):
            return self._torch(torch, obj)
        return NotImplemented

    def _numpy(self, numpy: Any, a: Any) -> Any:
        cls = type(a)
        root = root_of(a)
        owner = owner_of(a)
        if cls is numpy.memmap and a is root:
            return _memory_map(numpy, a)
        if id(a) in self.private or not a.size:
            return NotImplemented
        if cls is numpy.ma.MaskedArray:
            # its own pickling copies data and mask, and forgets whether the mask is hard
            return _attributed(rebuild.view_as, (a._data, cls), a)
        if not pickles_like_array(cls):
            return NotImplemented
        if id(owner) in self.buffers:
            return self._view(numpy, a, owner, low=numpy.frombuffer(owner, "u1").__array_interface__["data"][0])
        span = self._span(*array_range(a))
        if type(root) is numpy.memmap:
            return self._view(numpy, a, root)
        if span is None:
            # alone on its memory: numpy pickles it well, but forgets that it is read-only
            if a.flags.writeable or cls is not numpy.ndarray:
                return NotImplemented
            return rebuild.read_only, (a.copy(),)
        if a.dtype.hasobject:
            return self._object_view(numpy, a, root)
        if root is not a and type(root) is numpy.ndarray and self._visited(root, owner):
            return self._view(numpy, a, root)
        low, high = span
        return self._view(numpy, a, self._memory_at(low, high), low=low)

    def _view(self, numpy: Any, a: Any, base: Any, low: int | None = None) -> Any:
        """A look at ``base``, whose memory starts at ``low`` (of an array this is known)."""
        start = base.__array_interface__["data"][0] if low is None else low
        cls = None if type(a) is numpy.ndarray else type(a)
        offset = a.__array_interface__["data"][0] - start
        args = (base, offset, a.dtype, a.shape, a.strides, cls, bool(a.flags.writeable))
        plain = cls is None or cls is numpy.memmap
        return (rebuild.array_view, args) if plain else _attributed(rebuild.array_view, args, a)

    def _visited(self, root: Any, owner: Any) -> bool:
        """Whether the array that has the memory belongs to the component itself, so that views may refer to it."""
        alone = owner is None or rebuild.is_memory(owner)
        return alone and array_range(root) in self._ranges and bool(root.flags.forc)

    def _element(self, numpy: Any, element: Any) -> Any:
        """An element of a structured array, which looks at the array."""
        if not isinstance(element.base, numpy.ndarray) or element.dtype.hasobject:
            return NotImplemented
        address = element.__array_interface__["data"][0]
        if self._span(address, address + element.itemsize) is None:
            return NotImplemented
        return rebuild.array_element, (numpy.asarray(element),)

    def _object_view(self, numpy: Any, a: Any, root: Any) -> Any:
        contiguous = root.flags.c_contiguous or root.flags.f_contiguous
        if root is a or not contiguous or type(root) is not numpy.ndarray or type(a) is not numpy.ndarray:
            return NotImplemented
        offset = a.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        offset, within = divmod(offset, root.itemsize)
        fields = root.dtype.fields or {}
        field = next((n for n, (dtype, start, *_) in fields.items() if start == within and dtype == a.dtype), None)
        if field is None and (within or a.dtype != root.dtype):
            return NotImplemented
        return rebuild.object_view, (root, field, offset, a.shape, a.strides, bool(a.flags.writeable))

    def _torch(self, torch: Any, t: Any) -> Any:
        if t.grad_fn is not None:
            raise Unsavable("it is part of an unfinished gradient computation")
        if type(t) not in (torch.Tensor, torch.nn.Parameter) or t.layout != torch.strided or t.device.type != "cpu":
            return NotImplemented
        if t.is_quantized or t._backward_hooks or t.is_conj() or t.is_neg():
            return NotImplemented
        storage = t.untyped_storage()
        view = (self._storage(storage), t.dtype, t.storage_offset(), tuple(t.shape), tuple(t.stride()), t.requires_grad)
        attributes = {k: v for k, v in t.__dict__.items()}
        parameter = type(t) is torch.nn.Parameter
        state = (attributes, t.grad)
        return rebuild.torch_tensor, (*view, parameter), state, None, None, rebuild.set_torch

    def _storage(self, storage: Any) -> Storage:
        """The memory of tensors, which numpy's arrays may look at too."""
        low, size = storage.data_ptr(), storage.nbytes()
        if not size:
            return Storage(b"", 0, 0)
        key = (low, low + size)
        if key not in self._storages:
            start, end = self._span(*key) or key
            self._storages[key] = Storage(self._memory_at(start, end), low - start, size)
        return self._storages[key]

    def _memory_at(self, low: int, high: int) -> Memory:
        return self._memory.setdefault(low, Memory(low, high))

    def _span(self, low: int, high: int) -> tuple[int, int] | None:
        """The shared stretch of memory that the range lies in."""
        position = bisect.bisect_right(self._starts, low) - 1
        if position < 0:
            return None
        start, end, arrays = self._shared[position]
        return (start, end) if arrays > 1 and high <= end else None


def _random(numpy: Any, obj: Any) -> Any:
    """Generators of random numbers as every version of numpy makes them, and with what they spawn others from."""
    cls = type(obj)
    if cls is numpy.random.Generator:
        return rebuild.numpy_generator, (obj.bit_generator,)
    if cls is numpy.random.RandomState:
        state = obj.get_state(legacy=False)
        return rebuild.numpy_random_state, (obj._bit_generator,), state, None, None, rebuild.set_numpy_random_state
    seeds = getattr(obj, "seed_seq", None)
    old = cls is numpy.random.MT19937 and seeds is None  # seeded as RandomState does it
    if getattr(numpy.random, cls.__name__, None) is not cls or not (old or type(seeds) is numpy.random.SeedSequence):
        return NotImplemented
    return rebuild.bit_generator, (cls.__name__, seeds), obj.state, None, None, rebuild.set_bit_generator


def _attributed(function: Any, args: tuple[Any, ...], a: Any) -> Any:
    """The reduction of an array of a class that keeps attributes."""
    return function, args, dict(a.__dict__), None, None, rebuild.set_attributes


def _memory_map(numpy: Any, a: Any) -> Any:
    if a.filename is None or not isinstance(a.base, mmap.mmap):
        return NotImplemented
    order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    where = (str(a.filename), a.dtype, a.mode, a.offset, a.shape, order)
    if a.mode != "c":
        a.flush()
        return rebuild.memory_map, where
    try:
        same = numpy.array_equal(numpy.memmap(where[0], a.dtype, "r", *where[3:]).view("u1"), a.view("u1"))
    except (OSError, ValueError):
        same = False
    return rebuild.memory_map, (*where, None if same else numpy.array(a))


def _memory_view(v: memoryview) -> Any:
    """What is seen of an object that can be changed is that object's; of bytes it may be a copy."""
    if v.nbytes == 0:
        return rebuild.memory_view, (v.tobytes(), 0, v.nbytes, v.format, v.shape, v.readonly)
    start = _address(v) - _address(memoryview(v.obj))
    if v.c_contiguous:
        return rebuild.memory_view, (v.obj, start, v.nbytes, v.format, v.shape, v.readonly)
    whole = memoryview(v.obj)
    if v.ndim == 1 and whole.ndim == 1 and v.format == whole.format and v.strides:
        step = v.strides[0] // v.itemsize
        return rebuild.memory_slice, (v.obj, start // v.itemsize, len(v), step)
    raise Unsavable("it is a view of scattered memory")


class _Buffer(ctypes.Structure):
    """CPython's Py_buffer, as far as its start."""

    _fields_ = [("buf", ctypes.c_void_p), ("rest", ctypes.c_void_p * 16)]


def _address(view: memoryview) -> int:
    """Where the memory that a view shows starts."""
    found = _Buffer()
    any_layout = 0x11C  # PyBUF_FULL_RO
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(found), any_layout)
    try:
        return found.buf or 0
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(found))


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
