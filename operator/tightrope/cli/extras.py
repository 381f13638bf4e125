"""What a plain installation, and the operator's image, leave out; commands that need it say so in one sentence.

`main` opens `needed` around the imports of such a command. What can be left out is in pyproject.toml, by extra.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tightrope.cli.failure import Exit


@contextmanager
def needed(extra: str, *, by: str) -> Iterator[None]:
    """Ends the command `by`, with a sentence, where a module that the extra brings is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "tightrope":
            raise
        print(f'`tightrope {by}` needs {error.name}: pip install "tightrope[{extra}]"', file=sys.stderr)
        raise typer.Exit(Exit.USAGE) from None
