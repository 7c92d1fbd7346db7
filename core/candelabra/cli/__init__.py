# SPDX-License-Identifier: Apache-2.0
"""The command `candelabra`: one file a subcommand."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from .._errors import CandelabraError

COMMANDS = {
    "doctor": "list plugins, versions and devices, and why one did not load",
    "demo": "train a convolutional network on handwritten digits",
    "conformance": "check a backend case by case",
    "docs": "write the op reference and the editor stubs",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns the exit status."""
    args = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="candelabra", description="Tensors and deep learning on pluggable backends.")
    parser.add_argument("--version", action="store_true", help="print the version")
    listed = "\n".join(f"  {name:12} {text}" for name, text in COMMANDS.items())
    parser.epilog = f"commands:\n{listed}\n\ncandelabra COMMAND --help says more."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", nargs="?", choices=sorted(COMMANDS), metavar="COMMAND", help="one of those below")
    options = parser.parse_args(args[:1])
    if options.version:
        from importlib.metadata import version

        print(f"candelabra {version('candelabra')}")
        return 0
    if options.command is None:
        parser.print_help()
        return 2
    try:
        return run(options.command, args[1:])
    except CandelabraError as error:
        print(f"candelabra {options.command}: {error} [{error.code}]", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"candelabra {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def run(command: str, args: Sequence[str]) -> int:
    """Runs one subcommand's `main`."""
    if command == "conformance":
        return importlib.import_module("candelabra_conformance.command").main(args)
    return importlib.import_module(f".{command}", __name__).main(args)
