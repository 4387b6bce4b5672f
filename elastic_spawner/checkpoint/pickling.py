"""Serialising one component: a ladder of picklers, the fastest first.

1. ``pickle``: C pickle, protocol 5, large buffers out of band, with our reductions for what the session itself made.
2. ``raw``: the same, and instances of the user's classes by their attributes, past their own ``__reduce__`` (for
   classes whose pickling fails or does not bring back what was there).
3. ``cloudpickle`` and 4. ``dill``, each with our reductions first, for what is left.

The streams are not for long-term storage by themselves: they name functions of `rebuild`, whose names are part of the
checkpoint format.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import functools
import importlib
import io
import pathlib
import pickle
import random
import struct
import sys
import types
import typing
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..objects.figures import figure_state, is_figure, number_of, open_figures
from ..objects.kinds import (
    answers_for_pickling,
    delegates,
    has_default_reduce,
    is_user_class,
    raw_state,
    traceback_entries,
)
from ..objects.landmarks import at, landmarks
from ..objects.live import is_ctypes, is_dynamic
from ..objects.walk import Walk, collector_paused
from . import deep, rebuild, rebuild_live
from .columns import Columns, fold
from .rebuild import generated
from .reduce_arrays import ArrayReducer
from .reduce_code import CodeReducer, forget_scopes
from .reduce_live import LiveReducer, Unsavable, ctypes_object

CODECS = ("pickle", "raw", "cloudpickle", "dill")
_SMALL = 4 << 20
OUT_OF_BAND = 1 << 16
"""Buffers from this size on are kept beside the stream."""
_PROTOCOL = 5


@dataclass
class Payload:
    """One component, serialised: the pickle stream and the buffers beside it, in the order of the stream."""

    codec: str
    stream: bytes
    """Empty where the stream went to a sink."""
    streamed: int = 0
    """Bytes that went there."""
    buffers: list[Any] = field(default_factory=list)
    plain: bool = False
    """Whether nothing is in it but what any Python loads as it was: builtin data, numbers and arrays of numpy."""

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return len(self.stream) + self.streamed + self.beside

    @property
    def beside(self) -> int:
        """Bytes of the buffers, which are the session's own memory."""
        return sum(b.nbytes for b in self.buffers)


class Sink(Protocol):
    """Takes a stream as it is made, so that it is never held as a whole."""

    def write(self, data: Any, /) -> int:
        """Take the next bytes."""

    def restart(self) -> None:
        """Forget what was written: the stream begins anew."""


class _Memory(io.BytesIO):
    """The sink of what is small, or to be loaded on trial."""

    def restart(self) -> None:
        self.seek(0)
        self.truncate()


class Reductions:
    """All our reductions for one stream, decided once for each class."""

    def __init__(self, namespace: dict[str, Any], walks: Sequence[Walk], raw: bool) -> None:
        self.code = CodeReducer(namespace)
        self.live = LiveReducer()
        ranges = [r for w in walks for r in w.ranges]
        private: set[int] = set().union(*(w.private for w in walks))
        buffers: set[int] = set().union(*(w.buffers for w in walks))
        self.arrays = ArrayReducer(ranges, private, buffers)
        self.sharing: dict[int, set[int]] = {}
        """As `Walk.attributes`."""
        for walk in walks:
            for cls, ids in walk.attributes.items():
                self.sharing.setdefault(cls, set()).update(ids)
        self.landmarks = landmarks() if any(w.landmarks for w in walks) else {}
        self.raw = raw
        self.plain = not self.landmarks
        """Whether only plain data was met so far."""
        self._by_class: dict[type, Callable[[Any], Any] | None] = {}

    def __call__(self, obj: Any) -> Any:
        cls = type(obj)
        try:
            chosen = self._by_class[cls]
        except KeyError:
            chosen = self._choose(cls)
            if id(cls) in self.sharing and chosen not in (self._raw, self._exception):
                chosen = functools.partial(self._sharing, chosen)
            self._by_class[cls] = chosen
            self.plain = self.plain and _is_plain(cls)
        return NotImplemented if chosen is None else chosen(obj)

    def leaves_alone(self, cls: type) -> bool:
        """Whether instances of a user's class go as pickle has them go by itself."""
        return is_user_class(cls) and self._choose(cls) is None and id(cls) not in self.sharing

    def _choose(self, cls: type) -> Callable[[Any], Any] | None:
        if cls is Columns:
            return None
        if issubclass(cls, types.ModuleType):
            return self._module
        if is_ctypes(cls):
            return ctypes_object
        if issubclass(cls, type) or cls in _CODE:
            return self._code
        if issubclass(cls, BaseException):
            return self._exception
        if is_user_class(cls):
            if self.raw and not has_default_reduce(cls) or self.raw and hasattr(cls, "__setstate__"):
                return self._raw
            if delegates(cls) and has_default_reduce(cls):
                return self._raw  # unpickling would ask it for methods before there is anything to answer with
            return self._chain if hasattr(cls, "__array_interface__") or hasattr(cls, "readline") else None
        if cls in _TYPING:
            return self._code
        if answers_for_pickling(cls):
            return self._raw
        return _figure if is_figure(cls) else self._chain

    def _module(self, obj: Any) -> Any:
        self.plain = self.plain and sys.modules.get(obj.__name__) is obj and not is_dynamic(obj)
        return self.code.reduce(obj)

    def _code(self, obj: Any) -> Any:
        reduced = self.code.reduce(obj)
        if reduced is not NotImplemented:
            self.plain = False  # the session's own: whether it can be made again shows when it is tried
        return reduced

    def _exception(self, e: BaseException) -> Any:
        reduced = self._raw(e) if self.raw and is_user_class(type(e)) else e.__reduce_ex__(_PROTOCOL)
        entries = [(self.code.frame_code(code), last, line) for code, last, line in traceback_entries(e.__traceback__)]
        if isinstance(reduced, str) or not (entries or e.__cause__ or e.__context__ or e.__suppress_context__):
            return reduced
        made, args, state, items, pairs, set_state = (*reduced, None, None, None, None)[:6]
        history = (e.__cause__, e.__context__, e.__suppress_context__, entries)
        return made, args, (set_state, state, history), items, pairs, rebuild.set_exception

    def _chain(self, obj: Any) -> Any:
        for reducer in (self.arrays, self.live):
            reduced = reducer.reduce(obj)
            if reduced is not NotImplemented:
                return reduced
        return self._code(obj)

    def _sharing(self, otherwise: Callable[[Any], Any] | None, obj: Any) -> Any:
        """An instance of a class some of whose instances share the dictionary of their attributes."""
        cls, state = type(obj), raw_state(obj)
        if id(state[0]) in self.sharing[id(cls)]:
            if cls is types.SimpleNamespace:
                raise Unsavable("another variable holds the dictionary of its attributes")
            if has_default_reduce(cls) and not hasattr(cls, "__setstate__"):
                made, args, _copied, items, pairs = obj.__reduce_ex__(_PROTOCOL)
                return made, args, state, items, pairs, rebuild.set_shared
            if is_user_class(cls):
                return self._raw(obj)  # its own pickling would give each a dictionary of its own
        return NotImplemented if otherwise is None else otherwise(obj)

    def _raw(self, obj: Any) -> Any:
        """An instance by what it holds."""
        cls, state = type(obj), raw_state(obj)
        content: Any = None
        held: tuple[Any, ...] = ()
        for mutable in _MUTABLE:
            if issubclass(cls, mutable):
                # in the state, when the stream knows the object already: it may hold itself
                held = (mutable(mutable.items(obj) if mutable is dict else mutable.__iter__(obj)),)
        for base in _IMMUTABLE:
            if issubclass(cls, base):
                content = base(base.__iter__(obj) if base in (tuple, frozenset) else obj)
                break
        if issubclass(cls, BaseException):
            content = obj.args
        shares = id(state[0]) in self.sharing.get(id(cls), ())
        set_state = rebuild.set_shared if shares else rebuild.set_raw
        return rebuild.raw, (cls, content), (*state, *held), None, None, set_state


def _figure(figure: Any) -> Any:
    """A figure of matplotlib: pyplot has it under the number that it had there, and as the current one if it was."""
    number, (made, args, state) = number_of(figure), figure_state(figure)
    return made, args, (state, number, list(open_figures())), None, None, rebuild_live.set_figure


_MUTABLE: tuple[Any, ...] = (dict, list, set)
_IMMUTABLE: tuple[Any, ...] = (tuple, frozenset, str, int, float, bytes)


def _is_plain(cls: type) -> bool:
    """Whether what is of this class comes back as it was, so that loading it on trial would tell nothing.

    Classes and functions of modules are: loading finds them by name.
    """
    if cls in _PLAIN or cls in _NAMED:
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and (
        # an array's stream names `numpy.dtype`, which is of a class of its own
        cls in (numpy.ndarray, type(numpy.dtype)) or issubclass(cls, (numpy.dtype, numpy.generic))
    )


_PLAIN = frozenset(
    {Columns, range, slice, complex, bytearray, datetime.date, datetime.time, datetime.datetime, datetime.timedelta,
     datetime.timezone, decimal.Decimal, fractions.Fraction, collections.deque, collections.OrderedDict,
     collections.Counter, collections.defaultdict, random.Random, uuid.UUID, pathlib.PurePosixPath, pathlib.PosixPath}
)  # fmt: skip
_NAMED = frozenset({type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType})


_TYPING = frozenset({typing.TypeVar, typing.NewType})
_CODE = frozenset(
    {types.FunctionType, types.CodeType, types.CellType, staticmethod, classmethod, property, types.MappingProxyType,
     types.WrapperDescriptorType, types.MethodDescriptorType, types.GetSetDescriptorType}
)  # fmt: skip


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any, reductions: Reductions, buffer_callback: Callable[[Any], Any] | None) -> None:
        super().__init__(file, _PROTOCOL, buffer_callback=buffer_callback)
        self.reducer_override = reductions  # type: ignore[method-assign]


def _place(obj: Any, known: Mapping[int, tuple[str, str]]) -> Any:
    """The persistent id of what a module owns; None of any other object."""
    place = known.get(id(obj))
    return None if place is None else ("owned", *place)


class _AskingPickler(_Pickler):
    """Asks for each object, and so is for streams that are small or need it.

    It keeps by their place what modules own, and apart and together the NaNs of the session: two of them are equal only
    if they are the same object, and pickle writes floats by value.
    """

    def __init__(self, file: Any, reductions: Reductions, buffer_callback: Callable[[Any], Any] | None) -> None:
        super().__init__(file, reductions, buffer_callback)
        self.known = reductions.landmarks

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is not float or obj == obj:
            return _place(obj, self.known) if self.known else None
        known = next((m for m in ("math", "numpy") if m in sys.modules and vars(sys.modules[m])["nan"] is obj), None)
        return ("nan", known or id(obj), struct.pack(">d", obj))


_nans: dict[tuple[Any, bytes], float] = {}
"""NaNs that were loaded, by what names them: those of all streams of a session are one set."""


def _may_hold_nan(stream: bytes) -> bool:
    return any(pattern in stream for pattern in (b"G\x7f\xf8", b"G\xff\xf8"))


_MOVED = {"numpy._core": "numpy.core", "numpy.core": "numpy._core", "pathlib._local": "pathlib"}
"""Modules that another version of their library has under another name."""
_RENAMED = {("enum", "EnumType"): "EnumMeta"}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, buffers: Sequence[Any], filters: Any) -> None:
        super().__init__(file, buffers=buffers)
        self.filters = filters
        """The session's own list of warnings.filters: while warnings are caught the module has another."""

    def persistent_load(self, pid: Any) -> Any:
        kind, name, data = pid
        if kind == "owned":
            return self.filters if (name, data) == ("warnings", "filters") else at(name, data)
        if kind != "nan":
            raise pickle.UnpicklingError(f"the stream refers to {kind!r}, which is unknown")
        if isinstance(name, str):
            return vars(importlib.import_module(name))["nan"]
        return _nans.setdefault((name, data), struct.unpack(">d", data)[0])

    def find_class(self, module: str, name: str) -> Any:
        # what lives in __main__ goes by value; a reference to it would find whatever is there now, or nothing
        if module == "__main__":
            raise pickle.UnpicklingError(f"the stream refers to {name} in __main__, which is made anew in each kernel")
        try:
            return super().find_class(module, name)
        except AttributeError:
            if (module, name) not in _RENAMED:
                raise
            return super().find_class(module, _RENAMED[module, name])
        except ModuleNotFoundError:
            other = _MOVED.get(".".join(module.split(".")[:2]))
            if other is None:
                raise
            return super().find_class(".".join([other, *module.split(".")[2:]]), name)


def _cloudpickler(file: Any, reductions: Reductions, buffer_callback: Callable[[Any], Any] | None) -> Any:
    import cloudpickle

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            reduced = reductions(obj)
            return super().reducer_override(obj) if reduced is NotImplemented else reduced

        def persistent_id(self, obj: Any) -> Any:
            return _place(obj, reductions.landmarks)

    return Pickler(file, protocol=_PROTOCOL, buffer_callback=buffer_callback)


def _dill_pickler(file: Any, reductions: Reductions, _buffer_callback: Any) -> Any:
    import dill

    class Pickler(dill.Pickler):  # type: ignore[misc]
        # the pure-Python pickler that dill builds on asks this first, as C's does
        def reducer_override(self, obj: Any) -> Any:
            return reductions(obj)

        def persistent_id(self, obj: Any) -> Any:
            return _place(obj, reductions.landmarks)

    # dill accepts a buffer callback and ignores it, so everything stays in the stream
    return Pickler(file, protocol=4, byref=False, recurse=False)


def dump(
    values: dict[str, Any],
    walks: Sequence[Walk],
    namespace: dict[str, Any],
    codec: str,
    sink: Sink | None = None,
    still: bool = True,
) -> Payload:
    """Serialise ``values`` jointly with one codec of `CODECS`; with a ``sink``, the stream goes there. ``still``:
    nothing changes them meanwhile.

    Raises whatever the objects raise; RecursionError when they are nested too deeply.
    """
    reductions = Reductions(namespace, walks, raw=codec != "pickle")
    stream = _Memory() if sink is None else sink
    buffers: list[Any] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if raw.nbytes < OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    try:
        with warnings.catch_warnings(), collector_paused():
            warnings.simplefilter("ignore")
            if codec == "pickle" and still:
                values = fold(values, walks, reductions.leaves_alone)
            if codec in ("pickle", "raw"):
                try:
                    (_AskingPickler if reductions.landmarks else _Pickler)(stream, reductions, aside).dump(values)
                    if isinstance(stream, _Memory) and stream.tell() <= _SMALL and _may_hold_nan(stream.getvalue()):
                        stream.restart()
                        buffers.clear()
                        _AskingPickler(stream, Reductions(namespace, walks, raw=codec != "pickle"), aside).dump(values)
                except RecursionError:
                    if reductions.landmarks:
                        raise
                    stream.restart()
                    buffers.clear()
                    reductions.plain = False
                    nodes = sum(w.nodes for w in walks)
                    deep.dump(stream, values, Reductions(namespace, walks, raw=codec != "pickle"), aside, nodes)
            elif codec == "cloudpickle":
                _cloudpickler(stream, reductions, aside).dump(values)
            else:
                _dill_pickler(stream, reductions, None).dump(values)
    finally:
        forget_scopes()
    whole = stream.getvalue() if isinstance(stream, _Memory) else b""
    return Payload(codec, whole, buffers=buffers, plain=reductions.plain and codec == "pickle")


_OTHER_VERSION = "Trying to unpickle estimator"
"""scikit-learn warns so of what its other versions have pickled: it may lack attributes, and answer wrongly."""


def load(stream: Any, buffers: Sequence[Any]) -> dict[str, Any]:
    """The values of a component. Only for bytes whose manifest's signature and whose hashes have been verified.

    ``stream`` is bytes-like; ``buffers`` should be writable, or arrays come back read-only. Raises whatever the objects
    raise.
    """
    filters = warnings.filters
    with warnings.catch_warnings(record=True) as warned, collector_paused():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", message=_OTHER_VERSION)
        generated.forget()
        values = _Unpickler(io.BytesIO(stream), buffers, filters).load()
        generated.check()
    if warned:
        raise pickle.UnpicklingError(str(warned[0].message))
    if not isinstance(values, dict):
        raise pickle.UnpicklingError("the component is no mapping of names")
    return values


__all__ = ["CODECS", "Payload", "Sink", "dump", "load"]
