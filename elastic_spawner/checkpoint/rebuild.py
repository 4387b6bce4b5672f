"""Functions that pickles of ours call when they are loaded. Their names are part of the checkpoint format."""

from __future__ import annotations

import abc
import functools
import importlib
import importlib.util
import io
import linecache
import logging
import marshal
import opcode
import os
import sys
import threading
import types
import typing
import weakref
from typing import Any


def namespace() -> dict[str, Any]:
    """The live namespace of the session: what the globals of the user's functions are."""
    return vars(sys.modules["__main__"])


def shell() -> Any:
    """The IPython shell of this process."""
    from IPython.core.getipython import get_ipython

    return get_ipython()


def module(name: str) -> types.ModuleType:
    """A module by its name."""
    if name == "__main__":
        return sys.modules["__main__"]
    return importlib.import_module(name)


def attribute(module_name: str, name: str) -> Any:
    """An object that its module keeps under a name."""
    found: Any = module(module_name)
    for part in name.split("."):
        found = getattr(found, part)
    return found


# -- code


def code(data: bytes, magic: bytes, name: str, line: int, filename: str, source: str | None) -> types.CodeType:
    """A code object: the compiled one, or on another Python version the one compiled anew from the source."""
    if source is not None and filename not in linecache.cache:
        # so that tracebacks and inspect.getsource show it as before
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    if magic == importlib.util.MAGIC_NUMBER:
        code: types.CodeType = marshal.loads(data)
        return code
    if source is None:
        raise ValueError(f"{name} was compiled by another Python version and came without its source")
    import ast

    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    pending: list[types.CodeType] = [compile(source, filename, "exec", flags, dont_inherit=True)]
    while pending:
        candidate = pending.pop()
        if candidate.co_name == name and candidate.co_firstlineno == line:
            return candidate
        pending += [c for c in candidate.co_consts if isinstance(c, types.CodeType)]
    raise ValueError(f"{name} is not to be found in the source it came with")


def cell() -> types.CellType:
    """An empty closure cell."""
    return types.CellType()


def set_cell(target: types.CellType, state: tuple[Any, ...]) -> None:
    """Fill a closure cell; ``state`` is empty for one that was never assigned."""
    if state:
        target.cell_contents = state[0]


def function(code_: types.CodeType, globals_: dict[str, Any], name: str, closure: tuple[Any, ...] | None) -> Any:
    """A function without its attributes."""
    if globals_ is not namespace():
        globals_.setdefault("__builtins__", __builtins__)
    return types.FunctionType(code_, globals_, name, None, closure)


def set_function(f: Any, state: dict[str, Any]) -> None:
    """Give a function its attributes."""
    attributes = state.pop("__dict__", None)
    if attributes:
        f.__dict__.update(attributes)
    for name, value in state.items():
        try:
            setattr(f, name, value)
        except (AttributeError, TypeError):  # of another Python version
            continue


def cached(maxsize: int | None, typed: bool, f: Any) -> Any:
    """A functools.lru_cache around ``f``."""
    return functools.lru_cache(maxsize, typed)(f)


def set_cached(wrapper: Any, state: tuple[dict[str, Any], dict[Any, Any] | None]) -> None:
    """Give a cache its attributes and what it remembers."""
    import gc

    attributes, remembered = state
    wrapper.__dict__.update(attributes)
    if remembered:
        for referent in gc.get_referents(wrapper):
            if type(referent) is dict and referent is not wrapper.__dict__:
                referent.update(remembered)
                break


def type_variable(
    name: str, constraints: Any, bound: Any, covariant: bool, contravariant: bool, module_name: str
) -> Any:
    """typing.TypeVar."""
    made = typing.TypeVar(name, *constraints, bound=bound, covariant=covariant, contravariant=contravariant)  # type: ignore[misc]
    made.__module__ = module_name
    return made


def new_type(name: str, supertype: Any, module_name: str) -> Any:
    """typing.NewType."""
    made = typing.NewType(name, supertype)  # type: ignore[misc]
    made.__module__ = module_name
    return made


# -- exceptions


def set_exception(error: BaseException, state: tuple[Any, Any, tuple[Any, Any, bool, list[Any]]]) -> None:
    """Give an exception its attributes, its cause and context, and its traceback."""
    set_state, own, (cause, context, suppress, entries) = state
    if set_state is not None:
        set_state(error, own)
    elif own is not None:
        set_own = getattr(error, "__setstate__", None)
        set_own(own) if set_own is not None else error.__dict__.update(own)
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = suppress
    chain = None
    for described, last, line in reversed(entries):
        chain = types.TracebackType(chain, _frame(*described), last, line)
    if chain is not None:
        error.__traceback__ = chain


def _frame(
    name: str, qualname: str, line: int, filename: str, source: str | None, lines: bytes, length: int, magic: bytes
) -> types.FrameType:
    """A frame that looks like one of the code described; its local variables are gone."""
    if source is not None and filename not in linecache.cache:
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)

    def template() -> None:
        raise

    given: dict[str, Any] = {"co_name": name, "co_filename": filename, "co_firstlineno": line}
    nothing = bytes([opcode.opmap["NOP"], 0])
    short = template.__code__.co_code
    given["co_code"] = short + nothing * ((length - len(short)) // 2)
    if magic == importlib.util.MAGIC_NUMBER:
        given["co_linetable"] = lines
        given |= {"co_qualname": qualname} if sys.version_info >= (3, 11) else {}
    scope = {"__name__": "__main__", "__builtins__": {}}
    try:
        types.FunctionType(template.__code__.replace(**given), scope)()
    except RuntimeError as e:  # there is nothing to raise again
        if e.__traceback__ is not None and e.__traceback__.tb_next is not None:
            return e.__traceback__.tb_next.tb_frame
    raise ValueError(f"no frame for {name}")


# -- classes


def skeleton(meta: type, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
    """A class without its attributes, made past the user's own ``__new__`` and ``__init_subclass__``.

    Those ran when the class was made; what they did is in the attributes that follow, or in other variables.
    """
    hushed = []
    for base in dict.fromkeys(b for c in bases for b in c.__mro__):
        hook = base.__dict__.get("__init_subclass__")
        if hook is not None and base.__module__ == "__main__":
            hushed.append((base, hook))
            type.__delattr__(base, "__init_subclass__")
    # bases that only stand for others (typing.Generic[T]) were resolved already
    try:
        made: type = type.__new__(meta, name, bases, dict(body))
    finally:
        for base, hook in hushed:
            type.__setattr__(base, "__init_subclass__", hook)
    return made


def set_class(cls: type, state: dict[str, Any]) -> None:
    """Give a class its attributes."""
    registered = state.pop("__elastic_registered__", ())
    for name, value in state.items():
        try:
            type.__setattr__(cls, name, value)
        except (AttributeError, TypeError):
            continue
    if isinstance(cls, abc.ABCMeta):
        abstract = state.get("__abstractmethods__")
        abc._abc_init(cls)  # type: ignore[attr-defined]
        if abstract is not None:
            cls.__abstractmethods__ = abstract
        for subclass in registered:
            abc.ABCMeta.register(cls, subclass)


def enumeration(
    meta: Any, name: str, bases: tuple[type, ...], members: dict[str, Any], module_name: str, qualname: str
) -> Any:
    """An Enum class with its members."""
    body = meta.__prepare__(name, bases)
    for key, value in members.items():
        body[key] = value
    body["__module__"] = module_name
    body["__qualname__"] = qualname
    return meta.__new__(meta, name, bases, body)


def set_enumeration(cls: Any, state: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> None:
    """Give an Enum class its methods, and its members their own attributes."""
    attributes, members = state
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    for name, values in members.items():
        made = cls.__members__[name].__dict__
        given = {k: made.pop(k) if k in made else v for k, v in values.items()}
        given.update(made)
        made.clear()
        made.update(given)


def raw(cls: type, content: Any) -> Any:
    """An instance of a user's class past its own ``__new__``, ``__init__`` and ``__setstate__``."""
    if issubclass(cls, dict):
        made: Any = dict.__new__(cls)
        dict.update(made, content)
        return made
    for base in (list, set):
        if issubclass(cls, base):
            made = base.__new__(cls)
            base.__init__(made, content)
            return made
    bases: tuple[Any, ...] = (tuple, frozenset, str, int, float, bytes)
    for immutable in bases:
        if issubclass(cls, immutable):
            return immutable.__new__(cls, content)
    if issubclass(cls, BaseException):
        return cls.__new__(cls, *content)
    return object.__new__(cls)


def set_raw(obj: Any, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Give an instance its attributes past its own ``__setattr__``."""
    attributes, slots = state
    if attributes:
        object.__getattribute__(obj, "__dict__").update(attributes)
    for name, value in slots.items():
        object.__setattr__(obj, name, value)


# -- things that stand for the outside


def lock(locked: bool) -> Any:
    """threading.Lock."""
    made = threading.Lock()
    if locked:
        made.acquire()
    return made


def rlock(count: int) -> Any:
    """threading.RLock, held by the thread that restores."""
    made = threading.RLock()
    for _ in range(count):
        made.acquire()
    return made


def file(
    name: Any, mode: str, position: int | None, closed: bool, encoding: Any, errors: Any, line_buffering: Any
) -> Any:
    """A file object as it was: at its position, and never emptied or created by being opened again.

    Raises OSError when the file is not there or shorter than the position.
    """
    if not isinstance(name, (str, bytes)):
        raise OSError(f"file {name!r} has no path")

    def reopen(path: Any, flags: int) -> int:
        if closed:  # a closed file only has to look like one
            return os.open(os.devnull, os.O_RDWR)
        return os.open(path, flags & ~(os.O_TRUNC | os.O_CREAT | os.O_EXCL))

    binary = "b" in mode
    options: dict[str, Any] = {} if binary else {"encoding": encoding, "errors": errors}
    f = open(name, mode, -1 if line_buffering in (None, False) else 1, opener=reopen, **options)
    if closed:
        f.close()
        return f
    if position is not None:
        size = os.fstat(f.fileno()).st_size
        if binary and position > size:
            f.close()
            raise OSError(f"{name!r} has {size} bytes, the session was at {position}")
        f.seek(position)
    return f


def match(pattern: Any, string: Any, start: int, endpos: int, pos: int, regs: tuple[tuple[int, int], ...]) -> Any:
    """A re.Match: the same search again."""
    for found in (
        pattern.search(string, pos, endpos),
        pattern.match(string, start, endpos),
        pattern.fullmatch(string, pos, endpos),
    ):
        if found is not None and found.regs == regs:
            return found
    for found in pattern.finditer(string, pos, endpos):
        if found.regs == regs:
            return found
    raise ValueError(f"{pattern.pattern!r} does not match as it did")


def logger(name: str) -> Any:
    """A logger by name."""
    return logging.getLogger(name)


def weak_reference(target: Any) -> Any:
    """weakref.ref; to something that is gone when ``target`` is None."""
    if target is None:
        target = type("Gone", (), {})()
    return weakref.ref(target)


def weak_values(pairs: list[tuple[Any, Any]]) -> Any:
    """weakref.WeakValueDictionary."""
    return weakref.WeakValueDictionary(pairs)


def weak_keys(pairs: list[tuple[Any, Any]]) -> Any:
    """weakref.WeakKeyDictionary."""
    return weakref.WeakKeyDictionary(pairs)


def weak_set(values: list[Any]) -> Any:
    """weakref.WeakSet."""
    return weakref.WeakSet(values)


def view(kind: str, mapping: Any) -> Any:
    """``d.keys()``, ``d.values()`` or ``d.items()``."""
    return getattr(mapping, kind)()


def mapping_proxy(mapping: Any) -> Any:
    """types.MappingProxyType."""
    return types.MappingProxyType(mapping)


def memory_view(data: Any, fmt: str, shape: tuple[int, ...]) -> Any:
    """A contiguous memoryview."""
    made: Any = memoryview(data)
    return made if fmt == "B" and made.shape == shape else made.cast("B").cast(fmt, shape)


# -- arrays that share memory


def memory(data: Any) -> Any:
    """The bytes that several arrays look at: writable memory of this process."""
    import numpy

    base = numpy.frombuffer(data, dtype="u1")
    return base if base.flags.writeable else base.copy()


def array_view(
    base: Any, offset: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], cls: Any, writeable: bool
) -> Any:
    """An array that looks at ``base``."""
    import numpy

    made = numpy.ndarray(shape, dtype, buffer=base, offset=offset, strides=strides)
    if not writeable:
        made.flags.writeable = False
    return made if cls is None else made.view(cls)


def object_view(base: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], writeable: bool) -> Any:
    """An object array that looks at another object array."""
    import numpy

    flat = base.reshape(-1)
    made = numpy.lib.stride_tricks.as_strided(flat[offset // flat.itemsize :], shape, strides)
    if not writeable:
        made.flags.writeable = False
    return made


def memory_map(path: str, dtype: Any, mode: str, offset: int, shape: tuple[int, ...], order: str) -> Any:
    """numpy.memmap on the same file; never creates or empties it."""
    import numpy

    return numpy.memmap(path, dtype, "r+" if mode in ("w+", "r+") else mode, offset, shape, order)  # type: ignore[call-overload]


def torch_generator(device: str, state: Any) -> Any:
    """torch.Generator at its state."""
    import torch

    made = torch.Generator(device)
    made.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return made


def torch_storage(data: Any) -> Any:
    """The memory that several tensors look at."""
    import torch

    buffer = bytearray(data) if memoryview(data).readonly else data
    return (
        torch.frombuffer(buffer, dtype=torch.uint8).untyped_storage()
        if len(memoryview(data))
        else torch.UntypedStorage(0)
    )


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


def read_only(array: Any) -> Any:
    """An array that may not be written to."""
    array.flags.writeable = False
    return array


def text_stream(value: str, position: int, newline: Any = None) -> Any:
    """io.StringIO at its position."""
    made = io.StringIO(value, newline="")
    made.seek(position)
    return made
