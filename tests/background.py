"""A server in a thread with a loop of its own, for a test that runs the command line in the main thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def in_background(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """What the server's context yields, until the end of the block."""
    opened: list[T | BaseException] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    closing = asyncio.Event()

    async def serve() -> None:
        try:
            async with server as here:
                opened.append(here)
                ready.set()
                await closing.wait()
        except BaseException as error:  # raised again in the main thread
            opened.append(error)
            ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        ready.wait()
        if isinstance(opened[0], BaseException):
            raise opened[0]
        yield opened[0]
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join()
        loop.close()
