"""Who is compared with whom: of all courses played, the ones that a reader should see side by side.

`page` makes one; the words, the table and the charts all take their order and their names from it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tightrope.replay.bounds import Bound
from tightrope.replay.contest import best
from tightrope.replay.policies.register import KINDS
from tightrope.replay.score import Course, Score

SAME = 0.005  # costs closer than this share are called the same
SOURCES = {kind.name: kind.source for kind in KINDS} | {"clairvoyant": "knows every arrival: a bound, not a policy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One policy as it is shown: its best course with these settings. `tuned` says that they were found in hindsight;
    `every_variant` that it may use all variants of the service. `number` is what marks it in table and charts."""

    number: int
    course: Course
    tuned: bool = False
    every_variant: bool = True

    @property
    def score(self) -> Score:
        return self.course.score

    @property
    def name(self) -> str:
        """As a sentence names it: `HPA (CPU) on gpu`."""
        where = "" if self.every_variant else f" on {'+'.join(self.score.variants)}"
        return f"{self.score.title}{where}{self._hindsight}"

    @property
    def source(self) -> str:
        """What the policy is, in a few words; empty if nobody knows."""
        return SOURCES.get(self.score.policy, "")

    @property
    def _hindsight(self) -> str:
        """Said with the name wherever the comparison favours the policy."""
        if self.tuned:
            return " (tuned in hindsight)"
        return " (sized in hindsight)" if "known in hindsight" in self.source else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`today` is the peer that stands for what runs today, with its defaults; `others` all courses that no entrant
    shows; `oracle` is the clairvoyant's course, numbered after all entrants."""

    ours: Entrant
    peers: tuple[Entrant, ...]
    today: Entrant | None
    others: tuple[Course, ...]
    bound: Bound | None
    oracle: Entrant | None

    @property
    def entrants(self) -> tuple[Entrant, ...]:
        """All who are shown: ours, the peers, the clairvoyant."""
        return (self.ours, *self.peers, *([self.oracle] if self.oracle else []))

    @property
    def cheapest(self) -> Entrant | None:
        """The cheapest peer that met the objective."""
        return min((peer for peer in self.peers if peer.score.met), key=lambda peer: peer.score.cost, default=None)

    @property
    def cheaper(self) -> list[Entrant]:
        """Peers that met the objective for less than ours cost, cheapest first, whether ours met it or not."""
        limit = self.ours.score.cost * (1 - SAME)
        found = [peer for peer in self.peers if peer.score.met and peer.score.cost < limit]
        return sorted(found, key=lambda peer: peer.score.cost)

    @property
    def shown_first(self) -> frozenset[int]:
        """Whom the charts show before anything is chosen: ours, today's, the cheapest, the clairvoyant."""
        chosen = (self.ours, self.today, self.cheapest, self.oracle)
        return frozenset(entrant.number for entrant in chosen if entrant is not None)


def standing(courses: Sequence[Course], *, bound: Bound | None, today: str, variants: int) -> Standing:
    """The standing of these courses. The first is ours; the first of each other policy has its defaults. `today` names
    the policy that stands for what runs today; `variants` is how many the service has. Raises ValueError without a
    course."""
    if not courses:
        raise ValueError("a report needs at least one course, ours first")
    ours = Entrant(number=1, course=courses[0])
    peers: list[Entrant] = []
    for course, tuned in _chosen(courses[1:]):
        whole = len(course.score.variants) == variants
        peers.append(Entrant(number=len(peers) + 2, course=course, tuned=tuned, every_variant=whole))
    shown = {id(entrant.course) for entrant in (ours, *peers)}
    return Standing(
        ours=ours,
        peers=tuple(peers),
        today=next((peer for peer in peers if peer.score.policy == today and not peer.tuned), None),
        others=tuple(course for course in courses if id(course) not in shown),
        bound=bound,
        oracle=None if bound is None else Entrant(number=len(peers) + 2, course=bound.course),
    )


def _chosen(courses: Sequence[Course]) -> Iterator[tuple[Course, bool]]:
    """Of each policy its best course with its defaults, and its best of all where that is another."""
    groups: dict[str, list[Course]] = {}
    for course in courses:
        groups.setdefault(course.score.policy, []).append(course)
    for group in groups.values():
        default = best([course for course in group if course.score.knobs == group[0].score.knobs])
        tuned = best(group)
        yield default, False
        if tuned is not default:
            yield tuned, True
