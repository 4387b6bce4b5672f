"""Arrays and tensors that share memory."""

from __future__ import annotations

from typing import Any


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
