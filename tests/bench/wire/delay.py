"""A TCP proxy on loopback that makes the server look far away: half the round trip for each byte, each way.

Bytes that follow each other are delayed side by side, so that the line is long and not narrow. A new connection costs a
round trip of its own before its first byte may leave, as TCP's handshake does; loopback answers the handshake at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

_CHUNK = 1 << 18


def due(now: float, opened: float, round_trip: float) -> float:
    """The time at which a byte arrives that was written at ``now`` to a connection opened at ``opened``.

    >>> due(10.0, 10.0, 0.2)  # the first byte: one round trip to connect, half of one to arrive
    10.3
    >>> due(11.0, 10.0, 0.2)
    11.1
    """
    return max(now, opened + round_trip) + round_trip / 2


@contextlib.contextmanager
def delayed(port: int, round_trip: float) -> Iterator[int]:
    """The port of a proxy to this port of loopback; ``round_trip`` in seconds. Runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="delay", daemon=True)
    thread.start()
    try:
        serving = asyncio.run_coroutine_threadsafe(_serve(port, round_trip), loop).result(10)
        yield serving.sockets[0].getsockname()[1]
        asyncio.run_coroutine_threadsafe(_stop(serving), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _serve(port: int, round_trip: float) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = asyncio.get_running_loop().time()
        with contextlib.suppress(OSError), contextlib.closing(writer):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
            await asyncio.gather(
                _carry(reader, server_writer, opened, round_trip),
                # The server speaks only after it has heard the client, who has paid for the handshake.
                _carry(server_reader, writer, opened - round_trip, round_trip),
            )

    return await asyncio.start_server(connected, "127.0.0.1", 0, limit=_CHUNK)


async def _stop(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not own]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: float, round_trip: float) -> None:
    """Read at once what comes, write it when it is due: reading goes on while earlier bytes are on their way."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            when, data = await under_way.get()
            await asyncio.sleep(when - loop.time())
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    writing = asyncio.create_task(write())
    data = b"first"
    while data:
        data = await _read(reader)
        under_way.put_nowait((due(loop.time(), opened, round_trip), data))
    with contextlib.suppress(OSError):
        await writing


async def _read(reader: asyncio.StreamReader) -> bytes:
    """What has come; nothing at the end, however the connection ended."""
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return b""
