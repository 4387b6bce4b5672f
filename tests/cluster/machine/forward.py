"""Lets this machine's own processes reach ports inside a network namespace, the control plane's or a pod's.

    python -m tests.cluster.machine.forward NAMESPACE LOCAL_PORT=HOST:PORT ...

NAMESPACE is a name that ``ip netns`` knows, or a path such as /proc/PID/ns/net of a process in a pod.

A socket belongs to the namespace that it was made in: the listening ones are made on this machine's 127.0.0.1, then the
process moves into the namespace, where it makes the others. The namespace itself gets no way out by that.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys

_CLONE_NEWNET = 0x40000000


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        pass


async def _serve(listener: socket.socket, host: str, port: int) -> None:
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            connections.add(task)  # the loop itself holds tasks by weak references only
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        for side in (writer, far_writer):
            side.close()
        if task:
            connections.discard(task)

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


async def _run(pairs: list[tuple[socket.socket, str, int]]) -> None:
    await asyncio.gather(*(_serve(*pair) for pair in pairs))


def main() -> None:
    namespace, *forwards = sys.argv[1:]
    pairs = []
    for forward in forwards:
        local, _, target = forward.partition("=")
        host, _, port = target.rpartition(":")
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(local)))
        pairs.append((listener, host, int(port)))
    descriptor = os.open(namespace if "/" in namespace else f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {namespace}")
    os.close(descriptor)
    asyncio.run(_run(pairs))


if __name__ == "__main__":
    main()
