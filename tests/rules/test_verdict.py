"""The verdict by small invented laws: hypothesis draws the law, the entries and the day."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from app.rules.law import (
    Catalogue,
    Issuer,
    ListKind,
    ListType,
    Measure,
    MeasureKind,
    MeasureRule,
    Obligation,
    Severity,
    SubjectKind,
)
from app.rules.status import Status
from app.rules.verdict import JudgedEntry, Standing, Verdict, compute_verdict

DAY = date(2026, 11, 22)
MATTERS = ("bidding", "honours")
LISTS = {f"{domain}.{kind}": kind for domain in ("wages", "tax") for kind in ListKind}
MEASURES = {
    "green_channel": MeasureKind.reward,
    "funding_priority": MeasureKind.reward,
    "restrict_bidding": MeasureKind.punishment,
    "restrict_honours": MeasureKind.punishment,
}
ENDS = some.sampled_from([*[None] * 8, DAY, DAY - timedelta(days=1)])
STARTS = some.sampled_from([*[None] * 8, DAY, DAY + timedelta(days=1)])


@some.composite
def laws(draw: some.DrawFn) -> Catalogue:
    list_types = {
        code: ListType(
            code=code,
            domain=code.split(".")[0],
            kind=ListKind(kind),
            name=code,
            issuers=(Issuer(function="any"),),
            subject_kinds=tuple(SubjectKind),
            legal_reference=draw(some.sampled_from([*["an article"] * 6, None])),
            in_force=draw(some.sampled_from([*[True] * 6, False])),
            valid_from=draw(STARTS),
            valid_until=draw(ENDS),
        )
        for code, kind in LISTS.items()
    }
    measures = {
        code: Measure(
            code=code,
            name=code,
            kind=kind,
            legal_reference="an article",
            valid_from=draw(STARTS),
            valid_until=draw(ENDS),
        )
        for code, kind in MEASURES.items()
    }
    subsets = some.lists(some.sampled_from(list(LISTS)), max_size=2, unique=True)
    rules = draw(
        some.lists(
            some.builds(
                MeasureRule,
                code=some.uuids().map(str),
                measure=some.sampled_from(list(MEASURES)),
                obligation=some.sampled_from(Obligation),
                matters=some.sampled_from([(), ("bidding",), ("honours",)]),
                list_types=subsets.map(tuple),
                severities=some.sampled_from([(), (Severity.serious,)]),
                legal_reference=some.sampled_from(["art 26", "art 28", "art 30", ""]),
                valid_from=STARTS,
                valid_until=ENDS,
                confirmed=some.booleans(),
            ),
            max_size=6,
        )
    )
    return Catalogue(
        version="1",
        list_types=list_types,
        measures=measures,
        measure_rules={rule.code: rule for rule in rules},
    )


@some.composite
def subjects(draw: some.DrawFn) -> list[JudgedEntry]:
    """Return the entries of one subject, with statuses by the status rule."""
    drawn = draw(
        some.lists(
            some.tuples(
                some.sampled_from(list(LISTS)),
                some.sampled_from(
                    [Status.active, Status.scheduled, Status.expired, Status.removed]
                ),
                some.sampled_from(Severity),
                some.booleans(),
            ),
            max_size=6,
        )
    )
    black = any(LISTS[code] == "black" and status is Status.active for code, status, *_ in drawn)
    return [
        JudgedEntry(
            entry_id=f"entry {number}",
            list_type=code,
            kind=ListKind(LISTS[code]),
            severity=severity if LISTS[code] != "red" else None,
            status=Status.suspended
            if black and LISTS[code] == "red" and status is Status.active
            else status,
            disputed=disputed,
        )
        for number, (code, status, severity, disputed) in enumerate(drawn)
    ]


ASKED = some.sampled_from([*MATTERS, None])


def law(**rules: MeasureRule) -> Catalogue:
    return Catalogue(
        version="1",
        list_types={
            code: ListType(
                code=code,
                domain=code.split(".")[0],
                kind=ListKind(kind),
                name=code,
                issuers=(Issuer(function="any"),),
                subject_kinds=tuple(SubjectKind),
                legal_reference="an article",
                in_force=True,
            )
            for code, kind in LISTS.items()
        },
        measures={
            code: Measure(code=code, name=code, kind=kind, legal_reference="an article")
            for code, kind in MEASURES.items()
        },
        measure_rules=rules,
    )


def rule(measure: str, **changes: object) -> MeasureRule:
    plain = MeasureRule(
        code=measure, measure=measure, obligation=Obligation.must, legal_reference="an article"
    )
    return replace(plain, **changes)


PLAIN = law(reward=rule("green_channel"), punishment=rule("restrict_bidding"))


def fact(kind: str, **changes: object) -> JudgedEntry:
    plain = JudgedEntry(
        entry_id=f"a {kind} entry",
        list_type=f"wages.{kind}",
        kind=ListKind(kind),
        severity=Severity.serious if kind == "black" else None,
        status=Status.active,
        disputed=False,
    )
    return plain._replace(**changes)


def codes(verdict: Verdict) -> list[str]:
    return [measure.code for measure in verdict.measures]


# --- standing ------------------------------------------------------------


def is_counted(found: JudgedEntry, catalogue: Catalogue) -> bool:
    return found.status is Status.active and catalogue.list_types[found.list_type].is_in_force_on(
        DAY
    )


@given(subjects(), laws(), ASKED)
def test_black_takes_precedence(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None
) -> None:
    verdict = compute_verdict(facts, matter, catalogue, DAY)
    kinds = {found.kind for found in facts if is_counted(found, catalogue)}
    if ListKind.black in kinds:
        assert verdict.standing is Standing.black
        assert all(measure.kind is MeasureKind.punishment for measure in verdict.measures)
    else:
        assert verdict.standing is (Standing.red if ListKind.red in kinds else Standing.none)
        assert all(measure.kind is MeasureKind.reward for measure in verdict.measures)


@given(subjects(), laws(), ASKED)
def test_only_a_black_entry_suppresses_rewards(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None
) -> None:
    verdict = compute_verdict(facts, matter, catalogue, DAY)
    without = [found for found in facts if found.kind is not ListKind.black]
    revived = [
        found._replace(status=Status.active) if found.status is Status.suspended else found
        for found in without
    ]
    if verdict.standing is Standing.black:
        due = compute_verdict(revived, matter, catalogue, DAY).measures
        assert [(item.code, item.entry_id) for item in verdict.suppressed] == [
            (item.code, item.entry_id) for item in due
        ]
        blacks = {found.entry_id for found in facts if found.kind is ListKind.black}
        assert all(item.black_entry_id in blacks for item in verdict.suppressed)
    else:
        assert verdict.suppressed == ()


@given(subjects(), laws(), ASKED)
def test_records_never_matter(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None
) -> None:
    without = [found for found in facts if found.kind is not ListKind.record]
    all_disputed = [
        found._replace(disputed=True) if found.kind is ListKind.record else found for found in facts
    ]
    verdict = compute_verdict(without, matter, catalogue, DAY)
    for some_facts in (facts, all_disputed):
        judged = compute_verdict(some_facts, matter, catalogue, DAY)
        assert judged._replace(disputed=False) == verdict._replace(disputed=False)


@given(subjects(), laws(), ASKED)
def test_a_list_type_that_is_not_in_force_gives_nothing(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None
) -> None:
    applying = [
        found for found in facts if catalogue.list_types[found.list_type].is_in_force_on(DAY)
    ]
    assert compute_verdict(facts, matter, catalogue, DAY) == compute_verdict(
        applying, matter, catalogue, DAY
    )


@given(subjects(), laws(), ASKED)
def test_ended_and_scheduled_entries_give_nothing(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None
) -> None:
    running = [found for found in facts if found.status in {Status.active, Status.suspended}]
    assert compute_verdict(facts, matter, catalogue, DAY) == compute_verdict(
        running, matter, catalogue, DAY
    )


@given(subjects(), laws(), ASKED)
def test_every_measure_has_a_law_an_entry_and_a_rule(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None
) -> None:
    verdict = compute_verdict(facts, matter, catalogue, DAY)
    by_id = {found.entry_id: found for found in facts}
    for measure in verdict.measures:
        giver = by_id[measure.entry_id]
        assert measure.legal_basis.strip()
        assert is_counted(giver, catalogue)
        assert catalogue.measures[measure.code].is_valid_on(DAY)
        assert any(
            one.measure == measure.code
            and one.legal_reference == measure.legal_basis
            and one.obligation is measure.obligation
            and one.is_valid_on(DAY)
            and (not one.matters or matter is None or matter in one.matters)
            and (not one.list_types or giver.list_type in one.list_types)
            for one in catalogue.measure_rules.values()
        )


@settings(max_examples=50)
@given(subjects(), laws(), ASKED, some.randoms())
def test_the_order_of_entries_changes_only_the_order_of_measures(
    facts: list[JudgedEntry],
    catalogue: Catalogue,
    matter: str | None,
    chance: object,
) -> None:
    verdict = compute_verdict(facts, matter, catalogue, DAY)
    shuffled = list(facts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    again = compute_verdict(shuffled, matter, catalogue, DAY)
    assert again.standing is verdict.standing
    assert again.disputed is verdict.disputed
    assert set(again.measures) == set(verdict.measures)
    assert {(item.code, item.entry_id) for item in again.suppressed} == {
        (item.code, item.entry_id) for item in verdict.suppressed
    }


@given(subjects(), laws(), ASKED, some.integers(1, 4))
def test_more_equal_entries_change_no_standing(
    facts: list[JudgedEntry], catalogue: Catalogue, matter: str | None, times: int
) -> None:
    more = [
        found._replace(entry_id=f"{found.entry_id} copy {number}")
        for found in facts
        for number in range(times)
    ]
    verdict, again = (
        compute_verdict(some_facts, matter, catalogue, DAY) for some_facts in (facts, more)
    )
    assert again.standing is verdict.standing
    assert set(codes(again)) == set(codes(verdict))
    assert {item.code for item in again.suppressed} == {item.code for item in verdict.suppressed}


def test_a_subject_without_entries_has_no_standing() -> None:
    verdict = compute_verdict([], "bidding", PLAIN, DAY)
    assert verdict == Verdict(standing=Standing.none, measures=(), suppressed=(), disputed=False)


def test_a_suspended_red_entry_gives_no_standing() -> None:
    suspended = fact("red", status=Status.suspended)
    verdict = compute_verdict([suspended], "bidding", PLAIN, DAY)
    assert (verdict.standing, verdict.measures) == (Standing.none, ())


def test_an_entry_of_a_list_type_that_the_catalogue_lacks_gives_nothing() -> None:
    assert compute_verdict(
        [fact("black", list_type="gone.black")], "bidding", PLAIN, DAY
    ).standing is (Standing.none)


def test_minor_entries_do_not_add_up_to_a_serious_one() -> None:
    catalogue = law(
        serious=rule("restrict_bidding", severities=(Severity.serious,)),
    )
    minors = [fact("black", entry_id=str(number), severity=Severity.minor) for number in range(10)]
    verdict = compute_verdict(minors, "bidding", catalogue, DAY)
    assert (verdict.standing, verdict.measures) == (Standing.black, ())


# --- measures ------------------------------------------------------------


def test_a_red_list_gives_rewards_and_a_black_one_punishments() -> None:
    assert codes(compute_verdict([fact("red")], "bidding", PLAIN, DAY)) == ["green_channel"]
    assert codes(compute_verdict([fact("black")], "bidding", PLAIN, DAY)) == ["restrict_bidding"]
    assert codes(compute_verdict([fact("record")], "bidding", PLAIN, DAY)) == []


def test_a_rule_without_a_law_gives_no_measure() -> None:
    catalogue = law(bare=rule("restrict_bidding", legal_reference=" "))
    assert compute_verdict([fact("black")], "bidding", catalogue, DAY).measures == ()


@pytest.mark.parametrize(
    ("changes", "follows"),
    [
        ({}, True),
        ({"matters": ("bidding", "honours")}, True),
        ({"matters": ("honours",)}, False),
        ({"list_types": ("wages.black",)}, True),
        ({"list_types": ("tax.black",)}, False),
        ({"severities": (Severity.serious,)}, True),
        ({"severities": (Severity.minor, Severity.general)}, False),
        ({"valid_from": DAY, "valid_until": DAY}, True),
        ({"valid_until": DAY - timedelta(days=1)}, False),
        ({"valid_from": DAY + timedelta(days=1)}, False),
    ],
)
def test_a_measure_follows_where_its_rule_holds(
    changes: dict[str, object], *, follows: bool
) -> None:
    catalogue = law(punishment=rule("restrict_bidding", **changes))
    assert codes(compute_verdict([fact("black")], "bidding", catalogue, DAY)) == (
        ["restrict_bidding"] if follows else []
    )


def test_without_a_matter_all_measures_are_given() -> None:
    catalogue = law(
        one=rule("restrict_bidding", matters=("bidding",)),
        other=rule("restrict_honours", matters=("honours",)),
    )
    assert codes(compute_verdict([fact("black")], None, catalogue, DAY)) == [
        "restrict_bidding",
        "restrict_honours",
    ]


def test_each_measure_names_its_entry() -> None:
    blacks = [fact("black"), fact("black", entry_id="another", list_type="tax.black")]
    verdict = compute_verdict(blacks, "bidding", PLAIN, DAY)
    assert [measure.entry_id for measure in verdict.measures] == ["a black entry", "another"]


def test_a_dispute_is_only_a_mark() -> None:
    verdict = compute_verdict([fact("black", disputed=True)], "bidding", PLAIN, DAY)
    assert verdict.disputed
    assert verdict.standing is Standing.black
    assert codes(verdict) == ["restrict_bidding"]


@pytest.mark.parametrize("over", [Status.expired, Status.removed, Status.scheduled])
def test_a_dispute_on_an_ended_entry_is_no_mark(over: Status) -> None:
    assert not compute_verdict(
        [fact("black", disputed=True, status=over)], "bidding", PLAIN, DAY
    ).disputed


def test_a_suppressed_reward_names_the_black_entry() -> None:
    facts = [fact("red", status=Status.suspended), fact("black"), fact("record")]
    verdicts = [compute_verdict(order, "bidding", PLAIN, DAY) for order in permutations(facts)]
    for verdict in verdicts:
        [suppressed] = verdict.suppressed
        assert suppressed.code == "green_channel"
        assert (suppressed.entry_id, suppressed.black_entry_id) == ("a red entry", "a black entry")
