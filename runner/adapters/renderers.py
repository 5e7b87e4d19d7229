"""The Renderer in processes of its own: entries are made on other cores while this one lists and uploads.

Each process is a plain child that reads batches from its standard input and writes entries to its standard output, in
order; it ends when its input does, so it outlives nobody. Signals from a terminal are ours to answer, not its.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

import msgspec

from runner.adapters.renderer_process import read_frame, write_frame
from runner.errors import TrysailError
from runner.model.entry import Batch, Entry

# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_DECODER = msgspec.msgpack.Decoder(tuple[Entry, ...])
_ENCODER = msgspec.msgpack.Encoder()

Waiting = tuple[Batch, "Future[tuple[Entry, ...]]"]


class ProcessRenderers:
    """Deals batches out to `processes` children. To be used as a context manager."""

    def __init__(self, processes: int) -> None:
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._children = [_Child(self._queue) for _ in range(processes)]

    def render(self, batch: Batch) -> Future[tuple[Entry, ...]]:
        """The batch's entries, in time."""
        future: Future[tuple[Entry, ...]] = Future()
        self._queue.put((batch, future))
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _ in self._children:
            self._queue.put(None)
        for child in self._children:
            child.end(at_once=error is not None)


class _Child:
    """One process, a thread that feeds it and a thread that reads what it has made."""

    def __init__(self, queue: SimpleQueue[Waiting | None]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runner.adapters.renderer_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at a terminal reaches us alone
        )
        self._queue = queue
        self._sent: SimpleQueue[Future[tuple[Entry, ...]] | None] = SimpleQueue()
        self._threads = [Thread(target=work, daemon=True) for work in (self._feed, self._read)]
        for thread in self._threads:
            thread.start()

    def end(self, *, at_once: bool) -> None:
        if at_once:
            self._process.kill()
        for thread in self._threads:
            thread.join()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _feed(self) -> None:
        assert self._process.stdin is not None
        while (waiting := self._queue.get()) is not None:
            batch, future = waiting
            self._sent.put(future)
            try:
                write_frame(self._process.stdin, _ENCODER.encode(batch))
            except OSError:
                break  # it died: whoever reads finds out, and says so
        self._sent.put(None)
        _ignoring(OSError, self._process.stdin.close)

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        while (future := self._sent.get()) is not None:
            frame = read_frame(pipe)
            if frame is None:
                future.set_exception(
                    TrysailError(
                        f"a process that makes YAML ended too early (exit code {self._process.wait()})",
                        hint="killed for want of memory? give the run more, or look into the system's log",
                    )
                )
            else:
                future.set_result(_DECODER.decode(frame))


def _ignoring(kind: type[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except kind:
        return
