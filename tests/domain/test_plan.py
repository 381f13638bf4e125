"""Every reason is documented where its users look."""

from pathlib import Path

from tightrope.domain.plan import Reason

ROOT = Path(__file__).resolve().parents[2]


def test_every_reason_is_documented_and_no_other() -> None:
    text = (ROOT / "docs/reasons.md").read_text()
    documented = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}

    assert documented == {reason.value for reason in Reason}
