"""The annotation with which an on-call pauses a service."""

import pytest
from customresources import service_wire

from tightrope.api.parse import SpecInvalid, parse_service
from tightrope.api.pause import PAUSED, Pause, pause_of
from tightrope.domain.spec import Mode, Service


def paused(value: str | None, mode: str = "Auto") -> Service:
    annotations = {"note": "kept"} if value is None else {PAUSED: value}
    return parse_service(service_wire(spec__mode=mode, metadata__annotations=annotations)).service


def test_all_is_the_mode_paused_whatever_the_spec_says() -> None:
    for mode in ("Auto", "Recommend", "Paused"):
        assert paused("all", mode).mode is Mode.PAUSED


def test_descents_leaves_the_mode_and_pauses_descents_alone() -> None:
    assert paused("descents").mode is Mode.AUTO and paused("descents").descents_paused
    assert paused("descents", "Recommend").mode is Mode.RECOMMEND


def test_without_the_annotation_nothing_is_paused() -> None:
    assert paused(None).mode is Mode.AUTO and not paused(None).descents_paused
    assert pause_of(None) is None and pause_of({PAUSED: "all"}) is Pause.ALL


@pytest.mark.parametrize("word", ["decents", "true", "", "All"])
def test_a_word_nobody_knows_is_refused_so_that_nothing_is_changed(word: str) -> None:
    with pytest.raises(SpecInvalid) as refusal:
        paused(word)
    assert str(refusal.value) == (
        f"metadata.annotations[tightrope.dev/paused]: {word!r} must be all or descents, or be removed to resume"
    )


@pytest.mark.parametrize(
    ("own", "everywhere", "held"),
    [
        (None, None, None),
        ("descents", None, Pause.DESCENTS),
        (None, "descents", Pause.DESCENTS),
        ("all", "descents", Pause.ALL),
        ("descents", "all", Pause.ALL),
    ],
)
def test_a_pause_of_all_services_adds_to_the_services_own(
    own: str | None, everywhere: str | None, held: Pause | None
) -> None:
    wire = service_wire(metadata__annotations={PAUSED: own} if own else {})
    service = parse_service(wire, paused=Pause(everywhere) if everywhere else None).service
    assert (service.mode is Mode.PAUSED) == (held is Pause.ALL)
    assert service.descents_paused == (held is Pause.DESCENTS)
