"""How the walk takes apart the objects of each type (see `walk.Walker`)."""

from __future__ import annotations

import collections
import contextvars
import copyreg
import decimal
import functools
import gc
import io
import os
import re
import sys
import types
import weakref
from array import array
from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any

from . import arrays, code_handlers, iterators, live_handlers
from .figures import reduce_drawn
from .files import FILES, is_file
from .kinds import (
    MAIN,
    has_default_reduce,
    raw_state,
    slot_names,
    traceback_entries,
)
from .live import is_ctypes
from .sets import sets

if TYPE_CHECKING:
    from .walk import Walker

Handler = Callable[["Walker", list[Any]], None]


def sequences(walker: Walker, members: list[Any]) -> None:
    """list, tuple, deque: lengths, then the elements."""
    lengths = array("q", map(len, members))
    total = sum(lengths)
    walker.expect(total)
    walker.hash.update(lengths.tobytes())
    if _are_rows(lengths):
        _push_columns(walker, [map(itemgetter(i), members) for i in range(lengths[0])], len(members))
    else:
        walker.push(chain.from_iterable(members), total)


_ROWS = 16
_COLUMNS = 32


def _are_rows(lengths: array[int]) -> bool:
    """Whether these are many of one length: taken by columns, objects of one type come together."""
    return len(lengths) >= _ROWS and 0 < lengths[0] <= _COLUMNS and lengths.count(lengths[0]) == len(lengths)


def _push_columns(walker: Walker, columns: list[Iterator[Any]], count: int) -> None:
    try:
        for column in columns:
            walker.push(column, count)
    except (IndexError, KeyError) as e:  # a thread took something out
        raise RuntimeError("a container changed during iteration") from e


def common_keys(members: list[Any]) -> tuple[str, ...] | None:
    """The keys that all these dictionaries, of one length, have in one order, if they are strings."""
    first = tuple(dict.__iter__(members[0]))
    if set(map(type, first)) != {str}:
        return None  # others may be equal and not the same: 1 and True
    if all(map(is_, chain.from_iterable(map(dict.__iter__, members)), cycle(first))):
        return first  # names of attributes are one object each
    if set(map(type, chain.from_iterable(map(dict.__iter__, members)))) != {str}:
        return None
    keys = set(map(tuple, map(dict.__iter__, members)))
    return keys.pop() if len(keys) == 1 else None


def deques(walker: Walker, members: list[Any]) -> None:
    """deque: also its bound."""
    walker.hash.atoms([d.maxlen for d in members])
    sequences(walker, members)


def dicts(walker: Walker, members: list[Any]) -> None:
    """dict and its subclasses' content, in insertion order."""
    if walker.namespace is not None and any(map(is_, members, repeat(walker.namespace))):
        walker.found.reaches_namespace = True
        members = [d for d in members if d is not walker.namespace]
    _pairs(walker, members)


def _pairs(walker: Walker, members: list[Any]) -> None:
    """What dictionaries hold."""
    lengths = array("q", map(dict.__len__, members))
    total = sum(lengths)
    walker.expect(total)
    walker.hash.update(lengths.tobytes())
    keys = common_keys(members) if _are_rows(lengths) else None
    if keys is not None:
        walker.hash.update(b"k")
        walker.hash.strings(keys)
        walker.spend(sum(map(len, keys)) + 2 * total)
        _push_columns(walker, [map(dict.__getitem__, members, repeat(key)) for key in keys], len(members))
        return
    walker.expect(2 * total)
    walker.push(chain.from_iterable(map(dict.keys, members)), total)
    walker.push(chain.from_iterable(map(dict.values, members)), total)


def buffers(walker: Walker, members: list[Any]) -> None:
    """bytearray, array.array, memoryview, mmap: their bytes."""
    for b in members:
        if isinstance(b, array):
            walker.hash.text_of(b.typecode)
        try:
            view = memoryview(b)
        except ValueError:  # a released view or a closed map
            walker.hash.update(b"closed")
            continue
        if not isinstance(b, (bytearray, array)):
            arrays.note_range(walker, view)
            walker.found.ids.add(id(view.obj))
            # views of one view hold it by something that they have in common
            walker.found.ids.update(map(id, gc.get_referents(b) if type(b) is memoryview else ()))
        else:
            walker.found.buffers.add(id(b))
        walker.feed(view if view.c_contiguous else view.tobytes())


def pickle_buffers(walker: Walker, members: list[Any]) -> None:
    """pickle.PickleBuffer, as library types hand out for their memory."""
    for b in members:
        walker.feed(b.raw())


def _builtin_content(walker: Walker, cls: type, members: list[Any]) -> None:
    """What a subclass of a builtin type holds as that type."""
    if issubclass(cls, dict):
        dicts(walker, members)
    elif issubclass(cls, (list, tuple)):
        base = list if issubclass(cls, list) else tuple
        walker.hash.update(array("q", map(base.__len__, members)).tobytes())
        walker.push(chain.from_iterable(map(base.__iter__, members)))
    elif issubclass(cls, (set, frozenset)):
        sets(
            walker,
            [walker.keep(set(set.__iter__(m) if issubclass(cls, set) else frozenset.__iter__(m))) for m in members],
        )
    elif issubclass(cls, collections.deque):
        deques(walker, members)
    elif issubclass(cls, str):
        walker.hash.strings([str.__str__(m) for m in members])
    elif issubclass(cls, (int, float)):
        walker.hash.atoms([int.__int__(m) if issubclass(cls, int) else float.__float__(m) for m in members])
    elif issubclass(cls, (bytes, bytearray)):
        for m in members:
            walker.hash.update(memoryview(m))
    if issubclass(cls, collections.defaultdict):
        walker.push([m.default_factory for m in members])
    if issubclass(cls, BaseException):
        walker.push([m.args for m in members])
        exceptions(walker, members)


def exceptions(walker: Walker, members: list[Any]) -> None:
    """What every exception has beside its arguments: its cause, its context, and where it was raised."""
    for e in members:
        walker.push(walker.keep([e.__cause__, e.__context__, e.__suppress_context__]))
        for entry in traceback_entries(e.__traceback__):
            walker.found.compiled = True
            # the folder of a cell's code has the kernel's process id in its name
            walker.hash.atoms([os.path.basename(entry[0].co_filename), entry[0].co_name, *entry[1:]])


def plain_instances(walker: Walker, members: list[Any]) -> None:
    """Instances that consist of their attributes (and what a builtin base holds)."""
    cls = type(members[0])
    first = walker.count - len(members)
    _builtin_content(walker, cls, members)
    slots = list(slot_names(cls))
    if not slots:
        try:
            attributes_of = list(map(object.__getattribute__, members, repeat("__dict__")))
        except AttributeError:
            _without_attributes(walker, members)
            return
        own = walker.own_attributes(cls, attributes_of, first)
        # the session's namespace is held by more than an instance
        (_pairs if own is attributes_of else dicts)(walker, own)
        return
    for position, m in enumerate(members, first):
        attributes, values = raw_state(m)
        attributes_of = [] if attributes is None else [attributes]
        attributes = None  # how many hold it is asked
        dicts(walker, walker.own_attributes(cls, attributes_of, position))
        walker.hash.atoms(list(values))
        walker.push(values.values())


def _without_attributes(walker: Walker, members: list[Any]) -> None:
    """Instances without ``__dict__`` and slots: bare object(), or a C type that hides its content."""
    cls = type(members[0])
    if cls is object or cls.__basicsize__ == object.__basicsize__ or issubclass(cls, _CONTENT_BASES):
        return
    for m in members:
        walker.opaque(m)


_CONTAINERS = frozenset({dict, list, set, collections.OrderedDict})
_SHOWING_COPIES = frozenset({"builtins", "itertools", "collections", "_collections"})

_CONTENT_BASES = (
    dict,
    list,
    tuple,
    set,
    frozenset,
    collections.deque,
    str,
    int,
    float,
    bytes,
    bytearray,
    BaseException,
)


def user_instances(walker: Walker, members: list[Any]) -> None:
    """Instances of the user's classes: by attributes, whatever their ``__reduce__`` says."""
    cls = type(members[0])
    if not has_default_reduce(cls) or hasattr(cls, "__setstate__"):
        walker.found.custom.add(cls.__qualname__)
    if isinstance(members[0], FILES):
        live_handlers.live_objects(walker, members)
    plain_instances(walker, members)


def reduced_instances(walker: Walker, members: list[Any]) -> None:
    """Instances of library classes, as the library itself takes them apart for pickling."""
    for m in members:
        walker.private.update(arrays.private_memory(m))
        arrays.note_memory(walker, m)
        try:
            reduced = reduce(m)
        except Exception:
            walker.opaque(m)
            continue
        # what it holds itself, and may show a copy of: an iterator over a dictionary hands out a list
        if type(m).__module__ in _SHOWING_COPIES:
            walker.note_held([r for r in gc.get_referents(m) if type(r) in _CONTAINERS])
        elif type(getattr(m, "__dict__", None)) is dict:
            walker.note_held([m.__dict__])
        if type(reduced) is tuple:
            walker.keep_parts(reduced, m)
        if isinstance(m, BaseException):
            exceptions(walker, [m])
        if isinstance(reduced, str):
            walker.hash.text_of(reduced)
            if getattr(m, "__module__", None) != MAIN:
                walker.transient.add(id(m))  # kept by name, and so nobody's own
            else:  # a type variable or new type of the session
                walker.push(
                    walker.keep([getattr(m, n, None) for n in ("__supertype__", "__bound__", "__constraints__")])
                )
            continue
        function, args, *rest = reduced
        state, items, pairs = (*rest, None, None, None)[:3]
        if isinstance(m, BaseException):
            state = state or None  # an exception that was looked at has an empty dictionary, a new one none
        walker.push((function, *args, state))
        if type(state) is dict:
            # a library's class attribute that is repeated in each instance's state (pandas' _metadata) links nothing
            shared = [(k, v) for k, v in state.items() if type(v) in (list, dict, set)]
            walker.transient.update(id(v) for k, v in shared if any(v is c.__dict__.get(k) for c in type(m).__mro__))
        if items is not None:
            walker.push(walker.keep(list(items)))
        if pairs is not None:
            walker.push(chain.from_iterable(walker.keep(list(pairs))))


def silent_iterators(walker: Walker, members: list[Any]) -> None:
    """Iterators of itertools that do not say how far they have come: by their parts."""
    for m in members:
        made = (iterators.parts(m),)
        if made[0] is None:
            walker.opaque(m)
            continue
        walker.found.uncertain |= type(m) not in iterators.ALIKE
        walker.keep_parts(made, m)
        walker.push(made)


def reduce(obj: Any) -> Any:
    """What pickle's protocol 5 makes of the object; raises whatever its class raises."""
    if type(obj) in DRAINED:
        # they come back as an iterator over a list of what was left
        return (*obj.__reduce__(), 0)
    if type(obj).__module__ == "numpy.ma" and type(obj).__name__ == "MaskedArray":
        function, args, state = obj.__reduce__()
        # a fill value that was never set comes back as the default one
        fill = state[-1] if state[-1] is not None else sys.modules["numpy.ma"].default_fill_value(obj)
        return function, args, (*state[:-1], str(fill))
    if type(obj).__module__ == "numpy.random._generator":
        return type(obj), (obj.bit_generator,)  # numpy 1 tells a copy of its state, and not who shares it
    if type(obj).__module__ == "numpy.random.mtrand":
        return type(obj), (obj._bit_generator, obj.get_state(legacy=False))
    if type(obj).__module__.startswith("scipy.spatial.") and type(obj).__name__ in ("KDTree", "cKDTree"):
        # the tree's own buffer is full of addresses; it follows from the rest
        function, args, (_tree, *state) = obj.__reduce_ex__(5)
        return function, args, tuple(state)
    if type(obj).__module__.startswith("matplotlib.") and (reduced := reduce_drawn(obj)) is not None:
        return reduced
    entry = copyreg.dispatch_table.get(type(obj))
    reduced = entry(obj) if entry is not None else obj.__reduce_ex__(5)
    if type(obj).__module__.startswith("pandas.") and type(reduced) is tuple and len(reduced) > 2:
        function, args, state, *rest = reduced
        if type(state) is dict and "_cache" in state:  # what was asked for before, dtypes: loading asks for it too
            return function, args, {k: v for k, v in state.items() if k != "_cache"}, *rest
    return reduced


_DICTS: tuple[Any, ...] = ({}, collections.OrderedDict())
_SHOWN: list[Any] = [shown for d in _DICTS for shown in (d, d.keys(), d.values(), d.items())]
DRAINED = frozenset({type(iter(set())), *map(type, map(iter, _SHOWN)), *map(type, map(reversed, _SHOWN))})


def label(cls: type) -> str:
    """The name under which the type enters the digest."""
    if cls in DRAINED:
        return "builtins.list_iterator"
    name = f"{cls.__module__}.{cls.__qualname__}"
    return "builtins.str_iterator" if name == "builtins.str_ascii_iterator" else name  # 3.12 and later tell them apart


def _is(*bases: type) -> Callable[[type], bool]:
    return lambda cls: issubclass(cls, bases)


def _is_pickle_buffer(cls: type) -> bool:
    return cls.__name__ == "PickleBuffer"


EXACT: dict[type, Handler] = {
    list: sequences,
    tuple: sequences,
    collections.deque: deques,
    dict: dicts,
    set: sets,
    frozenset: sets,
    bytearray: buffers,
    array: buffers,
    memoryview: buffers,
    types.ModuleType: live_handlers.modules,
    types.FunctionType: code_handlers.functions,
    types.CodeType: code_handlers.codes,
    types.BuiltinFunctionType: code_handlers.builtin_functions,
    types.MethodWrapperType: code_handlers.builtin_functions,
    types.MethodType: code_handlers.methods,
    types.CellType: code_handlers.cells,
    functools.partial: code_handlers.partials,
    functools._lru_cache_wrapper: code_handlers.caches,
    staticmethod: code_handlers.wrappers,
    classmethod: code_handlers.wrappers,
    property: code_handlers.properties,
    weakref.ref: live_handlers.weak_references,
    weakref.WeakMethod: live_handlers.weak_methods,
    weakref.ProxyType: live_handlers.weak_proxies,
    weakref.CallableProxyType: live_handlers.weak_proxies,
    types.SimpleNamespace: plain_instances,
    weakref.finalize: live_handlers.finalizers,
    weakref.WeakValueDictionary: live_handlers.weak_containers,
    weakref.WeakKeyDictionary: live_handlers.weak_containers,
    weakref.WeakSet: live_handlers.weak_containers,
    types.MappingProxyType: code_handlers.proxies,
    types.GeneratorType: code_handlers.generators,
    types.CoroutineType: code_handlers.generators,
    types.AsyncGeneratorType: code_handlers.generators,
    io.BytesIO: live_handlers.byte_streams,
    io.StringIO: live_handlers.byte_streams,
    re.Match: live_handlers.live_objects,
    contextvars.Context: live_handlers.contexts,
    decimal.Context: live_handlers.decimal_contexts,
    contextvars.ContextVar: live_handlers.context_variables,
    **{
        type(lock): live_handlers.live_objects
        for lock in (__import__("threading").Lock(), __import__("threading").RLock())
    },
}

COSTLY: frozenset[Handler] = frozenset(
    {
        sets, buffers, code_handlers.codes, code_handlers.functions, code_handlers.caches, code_handlers.classes,
        code_handlers.generators,
        live_handlers.weak_containers, live_handlers.live_objects, live_handlers.byte_streams,
        reduced_instances, silent_iterators, arrays.numpy_arrays, arrays.torch_tensors,
    }
)  # fmt: skip
"""Those that look at one object after the other."""

BY_TEST: list[tuple[Callable[[type], bool], Handler]] = [
    (_is(type), code_handlers.classes),
    (is_file, live_handlers.live_objects),
    (arrays.is_numpy_array, arrays.numpy_arrays),
    (arrays.is_numpy_scalar, arrays.numpy_scalars),
    (arrays.is_numpy_iterator, arrays.numpy_iterators),
    (arrays.is_torch_tensor, arrays.torch_tensors),
    (_is(types.ModuleType), live_handlers.modules),
    (live_handlers.is_logger, live_handlers.loggers),
    (live_handlers.is_shell, live_handlers.shells),
    (live_handlers.is_stream, live_handlers.streams),
    (live_handlers.is_sqlite, live_handlers.live_objects),
    (live_handlers.is_mmap, buffers),
    (_is_pickle_buffer, pickle_buffers),
    (iterators.is_silent, silent_iterators),
    (is_ctypes, live_handlers.ctypes_objects),
]
