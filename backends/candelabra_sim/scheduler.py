# SPDX-License-Identifier: Apache-2.0
"""Streams of work that nobody has begun, and an adversary who decides, seeded, what runs when somebody waits.

Work on one stream runs in the order it was given; a wait for an event holds its stream up until the event's place in
another stream is reached; everything else may run in any order. Nothing runs unless something waits, asks, or the queues
are full, so that code that forgot to wait reads what was there before. Each wait is served in one of three ways:

    late     nothing but what the wait needs
    eager    everything else first
    random   any stream next
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

WAYS = ("late", "eager", "random")


class Item:
    """A piece of work of a stream.

    Attributes:
        name: for messages.
        run: the work; None for a mere place in the stream.
        after: an item of another stream that must be done first.
        is_done, time_s: whether and when it was.
    """

    __slots__ = ("after", "is_done", "name", "run", "stream", "time_s")

    def __init__(self, stream: Stream, name: str, run: Callable[[], None] | None, after: Item | None) -> None:
        self.stream = stream
        self.name = name
        self.run = run
        self.after = after
        self.is_done = False
        self.time_s = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether it may run, being first of its stream."""
        return self.after is None or self.after.is_done


class Stream:
    """A queue of items of one device."""

    __slots__ = ("index", "items", "number", "priority")

    def __init__(self, index: int, number: int, priority: int) -> None:
        self.index = index
        self.number = number
        self.priority = priority
        self.items: deque[Item] = deque()

    def __repr__(self) -> str:
        return f"<stream {self.number} of sim:{self.index}, {len(self.items)} items>"


class Event:
    """An item that stands for the work before it; None before the first recording."""

    __slots__ = ("index", "item")

    def __init__(self, index: int) -> None:
        self.index = index
        self.item: Item | None = None


class Scheduler:
    """All streams of all devices.

    Args:
        seed: of the adversary's choices.
        depth: items that may be pending; past it some run, as a real device's queue is finite.
    """

    def __init__(self, seed: int, depth: int) -> None:
        self.lock = threading.RLock()
        self.streams: list[Stream] = []
        self.depth = depth
        self.pending = 0
        self.ways: Sequence[str] = WAYS
        self._choose = random.Random(seed)
        self._errors: list[Exception] = []

    def reset(self, seed: int, ways: Iterable[str] = WAYS, depth: int | None = None) -> None:
        """Starts the adversary's choices anew."""
        with self.lock:
            self._choose = random.Random(seed)
            self.ways = tuple(ways)
            self.depth = self.depth if depth is None else depth

    def new_stream(self, index: int, priority: int = 0) -> Stream:
        """Another stream of a device."""
        with self.lock:
            stream = Stream(index, len(self.streams), priority)
            self.streams.append(stream)
            return stream

    def submit(
        self, stream: Stream, name: str, run: Callable[[], None] | None = None, after: Item | None = None
    ) -> Item:
        """Gives work to a stream."""
        with self.lock:
            item = Item(stream, name, run, after)
            stream.items.append(item)
            self.pending += 1
            while self.pending > self.depth and (ready := self._ready()):
                self._run(self._choose.choice(ready))
            return item

    def finish(self, items: Iterable[Item]) -> None:
        """Runs until all of the items are done, and whatever else the adversary likes.

        Raises the first error of work that ran.
        """
        with self.lock:
            way = self._choose.choice(self.ways)
            wanted = [item for item in items if not item.is_done]
            streams = {item.stream for item in wanted}
            while way == "eager" and (others := [s for s in self._ready() if s not in streams]):
                self._run(self._choose.choice(others))
            for item in wanted:
                while not item.is_done:
                    self._run(self._needed(item) if way != "random" else self._any(item))
            self.raise_errors()

    def finish_streams(self, streams: Iterable[Stream]) -> None:
        """Runs until everything given to the streams so far is done."""
        with self.lock:
            self.finish([stream.items[-1] for stream in streams if stream.items])

    def glimpse(self) -> None:
        """Runs something, if anything can: whoever asks again and again gets an answer one day."""
        with self.lock:
            for _ in range(self._choose.randint(1, 4)):
                ready = self._ready()
                if ready:
                    self._run(self._choose.choice(ready))

    def raise_errors(self) -> None:
        """Raises the first error of work that ran since the last time."""
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]

    def _ready(self) -> list[Stream]:
        return [stream for stream in self.streams if stream.items and stream.items[0].is_ready]

    def _any(self, item: Item) -> Stream:
        ready = self._ready()
        return self._choose.choice(ready) if ready else self._needed(item)

    def _needed(self, item: Item) -> Stream:
        """A stream that must run before `item` is done. There always is one: events are older than waits for them."""
        while not (head := item.stream.items[0]).is_ready:
            assert head.after is not None
            item = head.after
        return item.stream

    def _run(self, stream: Stream) -> None:
        item = stream.items.popleft()
        self.pending -= 1
        try:
            if item.run is not None:
                item.run()
        except Exception as error:
            self._errors.append(error)
        item.run = item.after = None  # what it held is free
        item.is_done = True
        item.time_s = time.perf_counter()


__all__ = ["WAYS", "Event", "Item", "Scheduler", "Stream"]
