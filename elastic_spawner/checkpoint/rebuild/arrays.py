"""Functions that pickles of ours call for arrays, tensors and views. Their names are part of the checkpoint format."""

from __future__ import annotations

import collections
import ctypes
import itertools
from typing import Any


def memory(data: Any) -> Any:
    """The bytes that several arrays look at: writable memory of this process.

    It is no array, because a view of an array over an array would get that one for its ``base``.
    """
    view = memoryview(data).cast("B")
    attributes = {"_type_": ctypes.c_ubyte, "_length_": view.nbytes, "__module__": __name__}
    kind: Any = type("Memory", (ctypes.Array,), attributes)
    return kind.from_buffer(bytearray(view) if view.readonly else view)


def is_memory(buffer: Any) -> bool:
    """Whether the buffer was made by `memory`."""
    return isinstance(buffer, ctypes.Array) and type(buffer).__module__ == __name__


def array_view(
    base: Any, offset: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], cls: Any, writeable: bool
) -> Any:
    """An array that looks at ``base``, an array or whatever else has a buffer; ``offset`` is in bytes."""
    import numpy

    buffer = base
    if isinstance(base, numpy.ndarray) and not (base.flags.writeable and base.flags.c_contiguous):
        # numpy wants the buffer in C's order, and would not let us write to what looks at a locked array
        made = _address_view(numpy, base, offset, dtype, shape, strides, writeable)
    else:
        made = numpy.ndarray(shape, dtype, buffer=buffer, offset=offset, strides=strides)
    if not writeable:
        made.flags.writeable = False
    if cls is None:
        return made
    made = made.view(cls)
    if issubclass(cls, numpy.memmap) and isinstance(base, numpy.memmap):
        made.__dict__.update(base.__dict__)
    return made


def _address_view(
    numpy: Any, base: Any, offset: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], writeable: bool
) -> Any:
    locked = not base.flags.writeable
    if locked and writeable:
        base.flags.writeable = True
    try:
        flat = base.reshape(-1, order="F" if base.flags.f_contiguous else "C").view("u1")
        made = numpy.ndarray(shape, dtype, buffer=flat, offset=offset, strides=strides)
    finally:
        if locked and writeable:
            base.flags.writeable = False
    return made


def array_element(array: Any) -> Any:
    """An element of a structured array that looks at it; ``array`` has no dimension."""
    return array[()]


def object_view(
    base: Any, field: str | None, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], writeable: bool
) -> Any:
    """An array of objects (or a field of one) that looks at another; ``offset`` is in elements of ``base``."""
    import numpy

    flat = base.reshape(-1, order="C" if base.flags.c_contiguous else "F")
    chosen = flat[offset:] if field is None else flat[field][offset:]
    made = numpy.lib.stride_tricks.as_strided(chosen, shape, strides)
    if not writeable:
        made.flags.writeable = False
    return made


def view_as(data: Any, cls: Any) -> Any:
    """The array as an instance of a subclass of numpy's."""
    return data.view(cls)


def set_attributes(array: Any, state: dict[str, Any]) -> None:
    """Give an instance of a subclass its attributes, past its own ``__setattr__``."""
    array.__dict__.update(state)


def memory_map(
    path: str, dtype: Any, mode: str, offset: int, shape: tuple[int, ...], order: str, changed: Any = None
) -> Any:
    """numpy.memmap on the same file; never creates or empties it.

    ``changed`` is the content of one that was mapped to keep changes to itself (mode ``c``).
    """
    import numpy

    made: Any = numpy.memmap(path, dtype, "r+" if mode in ("w+", "r+") else mode, offset, shape, order)  # type: ignore[call-overload]
    if changed is not None:
        made[...] = changed
    return made


def flat_iterator(array: Any, index: int) -> Any:
    """``array.flat``, so many elements on."""
    made = array.flat
    collections.deque(itertools.islice(made, index), maxlen=0)
    return made


def memory_view(data: Any, start: int, nbytes: int, fmt: str, shape: tuple[int, ...], locked: bool) -> Any:
    """A contiguous memoryview of a part of ``data``, in bytes."""
    made: Any = memoryview(data).cast("B")[start : start + nbytes]
    made = made.toreadonly() if locked else made
    return made if fmt == "B" and made.shape == shape else made.cast(fmt, shape)


def memory_slice(data: Any, start: int, length: int, step: int) -> Any:
    """Every ``step``-th element of ``data``, from ``start`` on."""
    return memoryview(data)[start::step][:length]


def read_only(array: Any) -> Any:
    """An array that may not be written to."""
    array.flags.writeable = False
    return array


def numpy_generator(bits: Any) -> Any:
    """numpy.random.Generator over a bit generator."""
    import numpy

    return numpy.random.Generator(bits)


def bit_generator(name: str, seeds: Any) -> Any:
    """A bit generator of numpy.random; ``seeds`` is the SeedSequence that others are spawned from."""
    import numpy

    if seeds is None:
        return numpy.random.RandomState(0)._bit_generator  # seeded in the old way
    return getattr(numpy.random, name)(seeds)


def numpy_random_state(bits: Any) -> Any:
    """numpy.random.RandomState over a bit generator."""
    import numpy

    return numpy.random.RandomState(bits)


def set_numpy_random_state(made: Any, state: dict[str, Any]) -> None:
    """Put a RandomState where it was."""
    made.set_state(state)


def set_bit_generator(bits: Any, state: dict[str, Any]) -> None:
    """Put a bit generator where it was."""
    bits.state = state


def torch_generator(device: str, state: Any) -> Any:
    """torch.Generator at its state."""
    import torch

    made = torch.Generator(device)
    made.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return made


def torch_storage(data: Any, offset: int, size: int) -> Any:
    """The memory that several tensors look at: ``size`` bytes of ``data`` (see `memory`) from ``offset`` on."""
    import torch

    if not size:
        return torch.UntypedStorage(0)
    return torch.frombuffer(data, dtype=torch.uint8, count=size, offset=offset).untyped_storage()


def torch_tensor(
    storage: Any, dtype: Any, offset: int, shape: Any, strides: Any, requires_grad: bool, parameter: bool
) -> Any:
    """A tensor or parameter that looks at ``storage``."""
    import torch

    made = torch.empty(0, dtype=dtype)
    made.set_(storage, offset, tuple(shape), tuple(strides))
    if parameter:
        return torch.nn.Parameter(made, requires_grad)
    return made.requires_grad_(requires_grad)


def set_torch(tensor: Any, state: tuple[dict[str, Any], Any]) -> None:
    """Give a tensor its attributes and its gradient."""
    attributes, grad = state
    tensor.__dict__.update(attributes)
    if grad is not None:
        tensor.grad = grad
