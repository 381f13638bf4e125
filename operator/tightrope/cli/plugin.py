"""`kubectl tightrope`: kubectl finds `kubectl-tightrope` on the PATH, and asks `kubectl_complete-tightrope` for words.

kubectl's contract (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/): a program for completion prints a
word a line, then a directive as a number after a colon; 4 means that files are no answer here.
"""

import contextlib
import os
import shlex
import sys
from typing import Final

from tightrope.cli.main import app

_NO_FILES: Final = ":4"


def run() -> None:
    """The same commands under kubectl's name."""
    app(prog_name="kubectl tightrope")


def complete() -> None:
    """Print what may follow the words so far; the last of them is the one being typed. The application answers as it
    answers bash, whose completion also takes a word a line."""
    words = sys.argv[1:] or [""]
    os.environ |= {
        "_TIGHTROPE_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(["tightrope", *words]),
        "COMP_CWORD": str(len(words)),
    }
    with contextlib.suppress(SystemExit):
        app(prog_name="tightrope")
    print(_NO_FILES)
