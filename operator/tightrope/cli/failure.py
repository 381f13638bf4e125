"""How a command ends other than well: one sentence that says what to do, and an exit code.

Every command on the live cluster raises `Failure`, and runs inside `told`, which turns it into both: nobody who types a
command is ever shown a traceback. docs/cli.md has the table of exit codes.
"""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import typer

DEBUG: Final = "TIGHTROPE_DEBUG"


class Exit(IntEnum):
    """What scripts may build on."""

    OK = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    OURS = 70


class Failure(Exception):
    """A command that can't do what was asked; the message is for its user, and says what to do."""

    def __init__(self, message: str, *, ends: Exit = Exit.NO) -> None:
        super().__init__(message)
        self.ends = ends


@contextmanager
def told() -> Iterator[None]:
    """Says on stderr why the command ends here, and ends it. Rooms and libraries that log stay silent meanwhile: what
    matters of it comes as an error."""
    if os.environ.get(DEBUG):
        logging.basicConfig(level=logging.INFO)
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        yield
    except Failure as failure:
        print(failure, file=sys.stderr)
        raise typer.Exit(failure.ends) from None
    except BrokenPipeError:
        raise  # a pager that was closed: the command line knows what to do
    except Exception as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        print(
            f"tightrope itself has failed here ({type(error).__name__}: {error}): set {DEBUG}=1 to see where, and "
            "report it",
            file=sys.stderr,
        )
        raise typer.Exit(Exit.OURS) from None
