"""numpy arrays and torch tensors: their bytes, and the memory that several of them may share.

numpy and torch are looked up among the imported modules and never imported: an array can only be there if they are.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .kinds import is_steady

if TYPE_CHECKING:
    from .walk import Walker


_SMALL = 1 << 16


def is_numpy_array(cls: type) -> bool:
    """Whether the class is numpy's array or made from it."""
    numpy = sys.modules.get("numpy")
    # a subclass that pickles in its own way (masked arrays) is taken apart in that way
    return numpy is not None and issubclass(cls, numpy.ndarray) and cls.__reduce__ is numpy.ndarray.__reduce__


def pickles_like_array(cls: type) -> bool:
    """Whether pickling takes the array by its elements and attributes alone."""
    plain = sys.modules["numpy"].ndarray
    own: list[Any] = [getattr(cls, n) is getattr(plain, n) for n in ("__reduce__", "__reduce_ex__", "__setstate__")]
    return all(own)


def is_numpy_iterator(cls: type) -> bool:
    """Whether the class iterates over arrays in C, where pickling and the collector see nothing of it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, (numpy.flatiter, numpy.nditer, numpy.broadcast))


def is_numpy_scalar(cls: type) -> bool:
    """Whether the class is one of numpy's scalars (numpy.float64 and the like)."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, numpy.generic)


def is_torch_tensor(cls: type) -> bool:
    """Whether the class is torch's tensor or made from it (parameters)."""
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and issubclass(cls, torch.Tensor)


def array_range(array: Any) -> tuple[int, int]:
    """First byte and byte after the last that a numpy array's elements lie in."""
    address = array.__array_interface__["data"][0]
    low = high = address
    for length, stride in zip(array.shape, array.strides):
        if length == 0:
            return address, address
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize


def note_range(walker: Walker, view: memoryview) -> None:
    """Note the memory behind a buffer that is not the object's own."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and view.nbytes and view.c_contiguous:
        low, high = array_range(numpy.frombuffer(view, dtype="u1"))
        walker.found.ranges.append((low, high))


def note_memory(walker: Walker, obj: Any) -> None:
    """Note what an array that pickles in its own way (a masked one) looks at: pickling shows a copy only."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, numpy.ndarray):
        for a in (obj.view(numpy.ndarray), getattr(obj, "_mask", None)):
            if isinstance(a, numpy.ndarray) and a.size and id(obj) not in walker.private:
                walker.found.ranges.append(array_range(a))


def root_of(a: Any) -> Any:
    """The array whose memory this one looks at, through all views of views; the array itself when it has its own."""
    numpy = sys.modules["numpy"]
    while isinstance(a.base, (numpy.ndarray, numpy.void)):
        a = a.base
    return a


def owner_of(a: Any) -> Any:
    """The object other than an array whose memory the array looks at, or None."""
    base = root_of(a).base
    return base.obj if isinstance(base, memoryview) else base


def numpy_arrays(walker: Walker, members: list[Any]) -> None:
    """numpy.ndarray and subclasses: type of the elements, shape, order, flags, and the bytes."""
    numpy = sys.modules["numpy"]
    for a in members:
        plain = a.view(numpy.ndarray) if type(a) is not numpy.ndarray else a
        order = "F" if plain.flags.f_contiguous and not plain.flags.c_contiguous else "C"
        walker.hash.text_of(f"{plain.dtype.descr if plain.dtype.names else plain.dtype.str}")
        walker.hash.atoms([*plain.shape, order, bool(a.flags.writeable)])
        if type(a) is not numpy.ndarray:
            walker.push([getattr(a, "__dict__", None)])
        made = id(a) in walker.transient and plain.base is None
        if plain.size and id(a) not in walker.private and not made:
            walker.found.ranges.append(array_range(plain))
            owner = owner_of(plain)
            if owner is not None:
                walker.found.ids.add(id(owner))
                # memory of another process or of a file may change by itself
                walker.found.steady = walker.found.steady and is_steady(type(owner))
        if plain.dtype.hasobject:
            walker.push(walker.keep(plain.ravel(order="K").tolist() if plain.dtype.names is None else plain.tolist()))
            continue
        if plain.nbytes <= _SMALL or plain.flags.contiguous or plain.flags.f_contiguous:
            for block in _blocks(numpy, plain):
                walker.feed(block)
        else:
            walker.spend(plain.nbytes)
            walker.feed_later(_blocks(numpy, plain))


def _blocks(numpy: Any, a: Any) -> Any:
    """The array's bytes as contiguous buffers, without a copy of the whole."""
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        a = a.T
    if a.flags.c_contiguous:
        if a.nbytes:
            yield a.reshape(-1).view(numpy.uint8)
        return
    if a.nbytes <= 1 << 22:
        yield numpy.ascontiguousarray(a).reshape(-1).view(numpy.uint8)
        return
    for part in a:
        yield from _blocks(numpy, part if part.shape else part.reshape(1))


def numpy_scalars(walker: Walker, members: list[Any]) -> None:
    """numpy scalars: element type and bytes; elements of structured arrays look at their array."""
    numpy = sys.modules["numpy"]
    for s in members:
        walker.hash.text_of(s.dtype.str)
        if not isinstance(s, numpy.void):
            walker.hash.update(s.tobytes())
            continue
        if isinstance(s.base, numpy.ndarray) and id(s) not in walker.transient:
            address = s.__array_interface__["data"][0]
            walker.found.ranges.append((address, address + s.itemsize))
        if s.dtype.hasobject:
            walker.push([walker.keep(s.item())])
        else:
            walker.hash.update(s.tobytes())


def numpy_iterators(walker: Walker, members: list[Any]) -> None:
    """numpy.flatiter: its array and how far it has come; numpy.nditer and numpy.broadcast: what they go over."""
    numpy = sys.modules["numpy"]
    for it in members:
        if isinstance(it, numpy.flatiter):
            walker.hash.atoms([it.index])
            walker.push([it.base])
            continue
        walker.opaque(it)
        over = it.operands if isinstance(it, numpy.nditer) else [i.base for i in it.iters]
        walker.push(walker.keep(list(over)))


def torch_tensors(walker: Walker, members: list[Any]) -> None:
    """torch.Tensor: element type, shape, gradient flags, and the bytes."""
    torch = sys.modules["torch"]
    for t in members:
        walker.hash.text_of(f"{t.dtype} {t.layout} {t.device} {tuple(t.shape)} {t.requires_grad}")
        attributes = walker.keep(dict(t.__dict__)) if t.__dict__ else None
        walker.push(walker.keep([attributes, t.grad if t.is_leaf else None]))
        if t.grad_fn is not None:
            walker.push(walker.hold(_leaves(t)))
        if t.layout != torch.strided or t.is_quantized or t.device.type == "meta":
            walker.found.uncertain = True
            continue
        data = t.detach()
        if t.device.type == "cpu":
            walker.found.steady = walker.found.steady and not t.is_shared()
            storage = data.untyped_storage()
            if storage.nbytes():
                start = storage.data_ptr()
                walker.found.ranges.append((start, start + storage.nbytes()))
        if data.numel():
            walker.feed(data.cpu().contiguous().flatten().view(torch.uint8).numpy())


def _leaves(t: Any) -> list[Any]:
    """The tensors whose gradients a backward pass from here adds to; of very large graphs those that come first."""
    pending, found = [t.grad_fn], []
    seen: set[Any] = set()
    while pending and len(seen) < _NODES:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if getattr(node, "variable", None) is not None:
            found.append(node.variable)
        pending += [following for following, _ in node.next_functions]
    return found


_NODES = 10_000


def private_memory(obj: Any) -> set[int]:
    """Ids of the arrays inside a pandas object that nobody else may write to, though they may lie in shared memory.

    An Index never changes its data; under copy-on-write a frame copies before it writes to what another frame looks at
    too. Sharing is then an optimisation that cannot be observed, and keeping it over a restore would even be wrong:
    pandas' record of it is not pickled. Memory that a frame shares with the user's array is not in that record.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "Index"):
        return set()
    if isinstance(obj, pandas.Index):
        return _memory_of(getattr(obj, "_data", None))
    blocks = getattr(obj, "blocks", None)
    if type(obj).__module__.startswith("pandas.") and isinstance(blocks, tuple) and copy_on_write(pandas):
        return set().union(*(_memory_of(b.values) for b in blocks if _is_referenced(b)))
    return set()


def _is_referenced(block: Any) -> bool:
    """Whether another frame looks at the same memory, by pandas' record."""
    refs = getattr(block, "refs", None)
    return refs is None or refs.has_reference()


def copy_on_write(pandas: Any) -> bool:
    """Whether pandas copies on write (always from version 3)."""
    if int(pandas.__version__.split(".")[0]) >= 3:
        return True
    try:
        return pandas.get_option("mode.copy_on_write") is True
    except (KeyError, AttributeError):  # before 1.5
        return False


def _memory_of(values: Any) -> set[int]:
    held = getattr(values, "__dict__", {})  # of integers that may be missing: the numbers, and which of them are
    inner = (getattr(values, "_ndarray", None), held.get("_data"), held.get("_mask"))
    return {id(values), *(id(a) for a in inner if a is not None)}
