"""Open and closed files, described by plain values: where they are, and how far they have been read or written."""

from __future__ import annotations

import gc
import io
import sys
from typing import Any

FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)
_COMPRESSED = (("gzip", "GzipFile"), ("bz2", "BZ2File"), ("lzma", "LZMAFile"))


def is_file(cls: type) -> bool:
    """Whether instances are files of the io module, or compressed ones."""
    return issubclass(cls, FILES) or is_compressed(cls)


def is_compressed(cls: type) -> bool:
    """Whether the class is gzip.GzipFile, bz2.BZ2File or lzma.LZMAFile."""
    return (cls.__module__, cls.__name__) in _COMPRESSED and cls is getattr(
        sys.modules.get(cls.__module__), cls.__name__, None
    )


def file_state(f: Any) -> tuple[Any, ...]:
    """(name, mode, position or None when closed or not seekable, closed, encoding, errors, line buffering) of a file.

    The position of a compressed file counts plain bytes.
    """
    text = isinstance(f, io.TextIOWrapper)
    raw = f.buffer if text else f
    raw = getattr(raw, "raw", raw)
    if is_compressed(type(raw)):
        name, mode = _compressed(raw)
    else:
        name = getattr(raw, "name", None)
        # a text file remembers the mode it was opened with; a BufferedWriter does not, its FileIO knows "rb+" for "wb+"
        mode = getattr(f, "mode", getattr(raw, "mode", "r"))
    position = None
    if not f.closed:
        try:
            position = f.tell()
        except (OSError, ValueError):  # a pipe, or a text file that is being iterated
            position = None
    return (
        name,
        mode,
        position,
        f.closed,
        f.encoding if text else None,
        f.errors if text else None,
        f.line_buffering if text else None,
    )


def newline_of(f: io.TextIOWrapper) -> str | None:
    """The ``newline=`` that an open text file was opened with, which it does not tell: None where it had none.

    It is found among what the file refers to, in the order buffer, encoding, encoder, decoder, newline, text that was
    read ahead, snapshot of the decoder, errors. What was written must have been flushed (as ``tell`` does).
    """
    around = gc.get_referents(f)
    universal = any(isinstance(o, io.IncrementalNewlineDecoder) for o in around)
    texts = [o for o in around if type(o) is str][1:-1]
    if texts == [""] and universal and any(type(o) is tuple for o in around):
        # Either `newline=""`, or nothing read ahead at the end of the file: of the two only the first outlives a seek.
        f.seek(f.tell())
        texts = [o for o in gc.get_referents(f) if type(o) is str][1:-1]
    found = texts[0] if texts else None
    if universal and len(texts) == 1 and found:
        return None  # it is the text read ahead
    return found if found in ("", "\n", "\r", "\r\n") else None


def layer_below(f: Any) -> Any:
    """What the file reads or writes: a FileIO, a compressed file, or any other stream that it was laid over."""
    below = f.buffer if isinstance(f, io.TextIOWrapper) else f
    return getattr(below, "raw", below)


def _compressed(f: Any) -> tuple[Any, str]:
    """Name and mode of a compressed file: "rb" while it reads, "wb" while it writes, "" when it is closed."""
    if type(f).__name__ == "GzipFile":
        if f.closed:
            return f.name, ""
        # one that was laid over a file of the user's has none of its own
        return (f.fileobj.name if f.myfileobj is not None else None), "rb" if f.readable() else "wb"
    if f.closed:
        return "", ""
    return (getattr(f._fp, "name", None) if f._closefp else None), "rb" if f.readable() else "wb"
