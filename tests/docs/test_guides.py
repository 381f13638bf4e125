"""The guides, walked through on the lab as a reader would: every file written, every command run, in their order.

Three things a reader has and the lab has not: the Prometheus and its address, traffic, and nodes that really run the
operator's image. The test puts the lab's address into the commands, lets the emulated servers be asked, and starts the
operator as the installed Deployment says.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.documents import ROOT, Block, blocks
from helm.installation import QUICK, Installation, installation

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ADDRESSES = ("http://prometheus-operated.monitoring:9090", "http://localhost:9090")
SERVER = {"base_seconds": 0.02, "distribution": "exponential"}
SHORT = {  # seconds; a reader waits for the usual ones
    "TIGHTROPE_TICK_SECONDS": QUICK["tickSeconds"],
    "TIGHTROPE_RATE_WINDOW_SECONDS": QUICK["rateWindowSeconds"],
    "TIGHTROPE_RECONCILE_SECONDS": QUICK["reconcileSeconds"],
    "TIGHTROPE_LEASE_SECONDS": QUICK["leaseSeconds"],
    "TIGHTROPE_HISTORY_SECONDS": QUICK["historySeconds"],
}


class Reader:
    """Somebody with a shell in the checkout."""

    def __init__(self, installed: Installation, folder: Path) -> None:
        self.installed, self.folder = installed, folder
        programs = folder / "bin"
        programs.mkdir()
        for name in ("kubectl", "helm"):
            (programs / name).symlink_to(installed.lab.programs[name])
        (folder / "helm").symlink_to(ROOT / "helm")
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            "PATH": path,
            "KUBECONFIG": str(installed.lab.kubeconfig),
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "operator"),
            **{name: str(value) for name, value in SHORT.items() if "RATE_WINDOW" in name},
        }

    def follows(self, block: Block) -> str:
        """Write the file, or run the commands; what they said."""
        if block.file is not None:
            (self.folder / block.file).write_text(block.text)
        if block.language != "sh":
            return ""
        text = block.text
        for address in ADDRESSES:
            text = text.replace(address, self.installed.lab.prometheus_url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=330,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("guides")) as found:
        yield found


@pytest.mark.parametrize(
    ("guide", "service"), [("first-service.md", "sentiment"), ("adopt.md", "translate")], ids=["first service", "adopt"]
)
def test_a_guide_works_as_it_is_written(installed: Installation, tmp_path: Path, guide: str, service: str) -> None:
    reader = Reader(installed, tmp_path)
    installed.kubectl("delete", "namespace", "nlp", "--ignore-not-found")
    installed.world.traffic("nlp", 10.0, service, **{"*": SERVER})
    said = ""
    for block in blocks(ROOT / "docs" / guide):
        said += reader.follows(block)
        if "helm install" in block.text:
            installed.start_operator("tightrope-system", also={name: str(value) for name, value in SHORT.items()})
    installed.world.quiet("nlp")

    assert f"{service} " in said and "deleted" in said
    assert "99" in said
