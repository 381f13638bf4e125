"""The rules of the Lease: whatever is delayed, lost, paused, deleted or skewed, two never write at the same time."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tightrope.controller.lease import Candidate, Periods
from tightrope.ports import LeaseRecord

PERIODS = Periods(lease_seconds=15.0)
# A wall clock that has nothing to do with anything.
WALL = 1_800_000_000.0


def candidate(identity: str = "a") -> Candidate:
    return Candidate(identity=identity, periods=PERIODS)


def held(by: str, *, seconds: float = 15.0, version: str = "1") -> LeaseRecord:
    return LeaseRecord(holder=by, seconds=seconds, transitions=3, version=version)


def leader(at: float = 100.0) -> Candidate:
    """Leads since it took a Lease that was handed back; that renewal was sent at `at`."""
    made = candidate()
    made.saw(held("", seconds=1.0), at=at)
    renew(made, at=at, version="2")
    return made


def renew(made: Candidate, *, at: float, version: str) -> None:
    claim = made.claim(now=at, wall=WALL)
    assert claim is not None
    made.wrote(replace(claim, version=version), sent=at, at=at + 0.1)


def test_a_lease_of_another_is_taken_only_after_its_whole_duration_without_a_change() -> None:
    waiting = candidate()
    waiting.saw(held("b"), at=100.0)
    assert waiting.claim(now=114.9, wall=WALL) is None
    waiting.saw(held("b", version="2"), at=114.9)
    assert waiting.claim(now=129.8, wall=WALL) is None
    claim = waiting.claim(now=129.9, wall=WALL)
    assert claim is not None and (claim.holder, claim.version, claim.transitions) == ("a", "2", 4)


def test_the_holders_duration_counts_not_ones_own() -> None:
    waiting = candidate()
    waiting.saw(held("b", seconds=60.0), at=100.0)
    assert waiting.claim(now=159.0, wall=WALL) is None and waiting.claim(now=160.0, wall=WALL) is not None


def test_a_lease_that_was_handed_back_is_taken_at_once_but_one_that_was_edited_is_not() -> None:
    for seconds, at_once in ((1.0, True), (15.0, False)):
        waiting = candidate()
        waiting.saw(held("", seconds=seconds), at=100.0)
        assert (waiting.claim(now=100.0, wall=WALL) is not None) is at_once


def test_a_write_may_be_begun_for_ten_seconds_and_last_until_the_fourteenth() -> None:
    leading = leader(at=100.0)
    assert leading.write_seconds(100.0) == 14.0
    assert leading.write_seconds(109.9) > 4.0
    assert leading.write_seconds(110.0) == 0.0


def test_renewals_keep_the_term_and_the_fence_counts_from_when_they_were_sent() -> None:
    leading = leader(at=100.0)
    renew(leading, at=108.0, version="3")
    assert leading.term == 1 and leading.write_seconds(117.9) > 0.0 and leading.write_seconds(118.0) == 0.0


def test_who_sees_another_hold_the_lease_writes_no_more() -> None:
    leading = leader(at=100.0)
    leading.saw(held("b", version="3"), at=101.0)
    assert not leading.leads(101.0) and leading.write_seconds(101.0) == 0.0


def test_a_clock_that_runs_backwards_closes_the_fence() -> None:
    assert leader(at=100.0).write_seconds(99.0) == 0.0


def test_who_could_not_renew_for_long_goes_on_with_its_term_if_nobody_took_over() -> None:
    leading = leader(at=100.0)
    assert leading.leads(160.0) and leading.write_seconds(160.0) == 0.0
    renew(leading, at=160.0, version="3")
    assert leading.term == 1 and leading.write_seconds(160.0) > 0.0


def test_a_lease_that_is_not_there_is_made_and_opens_when_a_former_holder_must_have_stopped() -> None:
    fresh = candidate()
    fresh.saw(None, at=100.0)
    renew(fresh, at=100.1, version="1")
    renew(fresh, at=114.0, version="2")
    assert not fresh.leads(115.0) and fresh.write_seconds(115.0) == 0.0
    assert fresh.leads(115.2) and fresh.write_seconds(115.2) > 0.0 and fresh.term == 1


def test_who_knew_the_lease_leaves_its_holder_time_to_make_it_again() -> None:
    waiting = candidate()
    waiting.saw(held("b"), at=100.0)
    waiting.saw(None, at=101.0)
    assert waiting.claim(now=104.9, wall=WALL) is None and waiting.claim(now=105.0, wall=WALL) is not None


def test_an_answer_lost_after_making_the_lease_does_not_open_it_early() -> None:
    fresh = candidate()
    fresh.saw(None, at=100.0)
    assert fresh.claim(now=110.0, wall=WALL) is not None
    fresh.must_look()
    fresh.saw(held("a"), at=113.0)
    renew(fresh, at=113.0, version="2")
    assert fresh.write_seconds(124.9) == 0.0 and fresh.write_seconds(125.0) == 0.0
    renew(fresh, at=124.0, version="3")
    assert fresh.write_seconds(124.9) == 0.0 and fresh.write_seconds(125.0) > 0.0


def test_a_leader_whose_lease_is_deleted_makes_it_again_and_goes_on() -> None:
    leading = leader(at=100.0)
    leading.saw(None, at=102.0)
    assert leading.write_seconds(102.0) > 0.0
    renew(leading, at=102.0, version="9")
    assert leading.term == 1 and leading.write_seconds(111.0) > 0.0


def test_a_leader_that_finds_its_lease_deleted_too_late_begins_anew() -> None:
    leading = leader(at=100.0)
    leading.saw(None, at=111.0)
    renew(leading, at=115.0, version="9")
    assert leading.term == 2 and leading.write_seconds(124.0) == 0.0 and not leading.leads(124.0)


def test_who_resigned_neither_writes_nor_claims_and_hands_back_what_is_its_own() -> None:
    leading = leader(at=100.0)
    leading.resign()
    assert leading.write_seconds(100.5) == 0.0 and leading.claim(now=102.0, wall=WALL) is None
    back = leading.hand_back(now=103.0, wall=WALL)
    assert back is not None and (back.holder, back.seconds, back.version) == ("", 1.0, "2")
    leading.saw(held("b"), at=103.0)
    assert leading.hand_back(now=103.0, wall=WALL) is None


def test_who_still_waits_for_a_former_holder_hands_nothing_back() -> None:
    fresh = candidate()
    fresh.saw(None, at=100.0)
    renew(fresh, at=100.0, version="1")
    fresh.resign()
    assert fresh.hand_back(now=110.0, wall=WALL) is None


@dataclass
class Asked:
    """A request on its way; `record` None is a read. `stored` is the answer, once there is one."""

    record: LeaseRecord | None
    sent: float
    arrived: bool = False
    conflict: bool = False
    stored: LeaseRecord | None = None


class Process:
    """A candidate with a clock of its own and at most one request under way. It asks as `leadership` does."""

    def __init__(self, identity: str, *, offset: float, rate: float) -> None:
        self.candidate = candidate(identity)
        self.offset, self.rate = offset, rate
        self.asked: Asked | None = None
        self.next_at = float("-inf")
        # Faults: it stands still; its requests wait outside; its answers are lost.
        self.paused = self.cut_off = self.deaf = False
        # Until when a write that it has begun may still take place.
        self.writes_until = float("-inf")

    def clock(self, true: float) -> float:
        return self.offset + true * self.rate


STEP = 0.5
WHO = st.integers(0, 2)


class TwoNeverWrite(RuleBasedStateMachine):
    """Three processes on three clocks and one server, in steps of half a second."""

    def __init__(self) -> None:
        super().__init__()
        self.true, self.version, self.born = 0.0, 0, 0
        self.stored: LeaseRecord | None = None
        self.deleted_at = float("-inf")
        self.processes = [self.newborn(place) for place in range(3)]

    def newborn(self, place: int) -> Process:
        self.born += 1
        return Process(f"{place}-{self.born}", offset=1000.0 * place, rate=(1.0, 1.001, 0.999)[place])

    @rule(seconds=st.sampled_from([1, 3, 5, 10, 12, 15, 16, 20]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(round(seconds / STEP)):
            self.true += STEP
            for process in self.processes:
                if not process.paused:
                    self.writes(process)
                    self.step(process)
                    self.writes(process)

    def step(self, process: Process) -> None:
        now, asked = process.clock(self.true), process.asked
        if asked is None:
            if now >= process.next_at:
                process.asked = Asked(process.candidate.claim(now=now, wall=WALL), now)
        elif not asked.arrived and not process.cut_off:
            self.arrives(asked)
        elif asked.arrived and not process.deaf:
            self.answers(process, asked, now)
        elif now - asked.sent > PERIODS.answer_seconds:
            process.candidate.must_look()
            process.asked, process.next_at = None, now + PERIODS.look_seconds

    def arrives(self, asked: Asked) -> None:
        asked.arrived = True
        if asked.record is None:
            asked.stored = self.stored
        elif asked.record.version == (self.stored.version if self.stored is not None else None):
            asked.stored = self.put(asked.record)
        else:
            asked.conflict = True

    def put(self, record: LeaseRecord) -> LeaseRecord:
        self.version += 1
        self.stored = replace(record, version=str(self.version))
        return self.stored

    def answers(self, process: Process, asked: Asked, now: float) -> None:
        process.asked = None
        if asked.conflict:
            process.candidate.must_look()
        elif asked.record is None:
            process.candidate.saw(asked.stored, at=now)
        else:
            assert asked.stored is not None
            process.candidate.wrote(asked.stored, sent=asked.sent, at=now)
            process.next_at = now + PERIODS.renew_seconds

    def writes(self, process: Process) -> None:
        """It writes whenever it may, and each write takes as long as it may."""
        seconds = process.candidate.write_seconds(process.clock(self.true))
        if seconds > 0.0:
            for other in self.processes:
                assert other is process or other.writes_until <= self.true, "two write"
            process.writes_until = self.true + seconds

    @rule(who=WHO, fault=st.sampled_from(["paused", "cut_off", "deaf"]))
    def begins(self, who: int, fault: str) -> None:
        setattr(self.processes[who], fault, True)

    @rule(who=WHO)
    def all_faults_end(self, who: int) -> None:
        """A process that wakes writes before it does anything else, if it may."""
        process = self.processes[who]
        process.paused = process.cut_off = process.deaf = False
        self.writes(process)

    @rule()
    def lease_is_deleted(self) -> None:
        """Twice within one lease is more than is promised against."""
        if self.stored is not None and self.true - self.deleted_at > 40.0:
            self.deleted_at, self.stored = self.true, None

    @rule(who=WHO)
    def killed(self, who: int) -> None:
        """Its last write may go on all the same."""
        dead = self.processes[who]
        self.processes[who] = self.newborn(who)
        self.processes[who].writes_until = dead.writes_until

    @rule(who=WHO)
    def asked_to_stop(self, who: int) -> None:
        """It lets its writes end, and hands back what is its own."""
        leaving = self.processes[who]
        if leaving.paused or leaving.cut_off:
            return
        leaving.candidate.resign()
        leaving.writes_until = min(leaving.writes_until, self.true)
        back = leaving.candidate.hand_back(now=leaving.clock(self.true), wall=WALL)
        if back is not None and self.stored is not None and back.version == self.stored.version:
            self.put(back)
        self.killed(who)


TestTwoNeverWrite = TwoNeverWrite.TestCase
TestTwoNeverWrite.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
