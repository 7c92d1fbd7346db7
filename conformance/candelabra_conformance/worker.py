# SPDX-License-Identifier: Apache-2.0
"""The worker process: makes an op's cases, runs them one after the other, and tells each result as soon as it has it.

It speaks pickles over its standard input and output; whatever kernels print goes to standard error. The parent takes
the first case it has no answer for as the one a dead or silent worker died of.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import struct
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .case import Case, Result


@dataclass
class Setup:
    """What a worker is told first.

    Attributes:
        device: device under test.
        loads: `package.module:Class` of a backend to register under the device's name, or "" for an installed one.
        tier: `quick` or `full`.
        dtypes: names of the only dtypes wanted; all when empty.
        memory_mb: limit of the address space over what the worker starts with; 0 for none.
        imports: modules to import first (they may declare ops).
    """

    device: str
    loads: str = ""
    tier: str = "quick"
    dtypes: tuple[str, ...] = ()
    memory_mb: int = 4096
    imports: tuple[str, ...] = field(default_factory=tuple)


def send(stream: BinaryIO, message: Any) -> None:
    """Writes one length-prefixed pickle."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(struct.pack("<I", len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Reads one message; raises EOFError where the other side is gone."""
    head = stream.read(4)
    if len(head) < 4:
        raise EOFError
    return pickle.loads(stream.read(struct.unpack("<I", head)[0]))


def prepare(setup: Setup) -> Any:
    """Loads the backend and makes the context cases run in."""
    import importlib

    import numpy as np

    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    for module in setup.imports:
        importlib.import_module(module)
    register(setup)
    from .context import Context

    context = Context(setup.device, setup.tier, setup.dtypes)
    if setup.memory_mb and context.capabilities.host_memory:
        limit_memory(setup.memory_mb)
    return context


def register(setup: Setup) -> None:
    """Makes a backend class known under the device's name."""
    from candelabra.dispatcher._plugins import register_backend
    from candelabra.dispatcher.backend import BackendInfo

    if setup.loads:
        register_backend(BackendInfo(name=setup.device.partition(":")[0], loads=setup.loads), "the conformance suite")


def limit_memory(megabytes: int) -> None:
    """Limits the address space to what is used now and some more, where the system can."""
    try:
        import resource
    except ImportError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (OSError, ValueError):
        return


def run_timed(case: Case, context: Any) -> Result:
    """Runs one case and notes how long it took."""
    from . import cases

    start = time.perf_counter()
    result = cases.run(case, context)
    result.seconds = time.perf_counter() - start
    return result


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until there are no more: `("generate", op)` and `("run", cases)`."""
    from . import cases

    context: Any = None
    while True:
        try:
            what, value = receive(requests)
        except EOFError:
            return
        if what == "setup":
            try:
                context = prepare(value)
            except Exception as error:
                send(answers, ("refused", f"{type(error).__name__}: {error}"))
                return
            gc.collect()
            gc.freeze()
            send(answers, ("ready", context.backend.name))
        elif what == "generate":
            try:
                send(answers, ("cases", cases.generate(value, context, context.dtypes)))
            except Exception as error:
                send(answers, ("failed", f"{type(error).__name__}: {error} [{cases.where(error)}]"))
        else:
            for case in value:
                send(answers, ("result", run_timed(case, context)))
            send(answers, ("done", len(value)))


def main() -> None:
    """Entry point of `python -m candelabra_conformance.worker`."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    faulthandler.enable()
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
