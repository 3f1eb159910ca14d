"""The whole page as display-ready strings and geometry: the templates only place them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.families import Family, make_families
from pytest_pipeline.report.facts import (
    GLOSSARY,
    KEYS,
    METHOD,
    Fact,
    Noise,
    context_facts,
    environment_facts,
    noise_of,
)
from pytest_pipeline.report.gate_counts import count_gates
from pytest_pipeline.report.page.cards import Card, card_order, make_card
from pytest_pipeline.report.page.embed import Embedded, embed
from pytest_pipeline.report.page.gate_table import RowGroup, group_rows, table_rows
from pytest_pipeline.report.page.sections import Section, make_sections
from pytest_pipeline.report.text import anchor, one_line
from pytest_pipeline.report.words import (
    OUTCOMES,
    Json,
    Outcome,
    final_indices,
    identity,
    outcome_of,
)

MAX_TITLE = 70
"""Characters of the page's title: what tabs and bookmarks show."""
MAX_FULL_PASSING = 150
"""Up to this many passing tests, every one has its charts."""
MAX_FULL_FAILING = 60
"""Non-passing tests with charts; the rest keep sentences and tables."""
MAX_FULL_FAILING_OF_MANY = 25
"""The same in a session of more than `MAX_FULL_PASSING` tests: 500 tests stay below 3 MB."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many tests ended in one way."""

    outcome: Outcome
    text: str
    """`2 missed`."""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the page shows."""

    title: str
    """Counts first, so that the browser tab says it."""
    counts: tuple[Count, ...]
    gates: str
    """Decided and undecided gates in one sentence."""
    context: tuple[Fact, ...]
    noise: Noise | None
    lead: str
    """Heading above the cards."""
    empty: str
    """Said instead of cards when the session had no measuring test."""
    cards: tuple[Card, ...]
    """Tests that did not pass, most urgent first."""
    passing: tuple[Card, ...]
    groups: tuple[RowGroup, ...]
    """The rows of the table, by module when there are many."""
    families: tuple[Family, ...]
    """Charts over the parameters of parametrised tests."""
    notices: tuple[str, ...]
    """Everything that was left out, in words."""
    sections: tuple[Section, ...]
    """What other plugins add."""
    environment: tuple[Fact, ...]
    method: tuple[str, ...]
    glossary: tuple[tuple[str, str], ...]
    keys: tuple[tuple[tuple[str, ...], str], ...]
    """What the keyboard does, shown on request."""
    data: Embedded


@dataclass(frozen=True, slots=True)
class _Numbered:
    position: int
    test: Json
    anchor: str
    is_final: bool


def make_page(document: Json, *, all_charts: bool = False) -> Page:
    """Turn the document into the view model; `all_charts` leaves none out, however many tests there are."""
    ordered = sorted(_numbered(document["tests"]), key=lambda each: card_order(each.test))
    most_failing, most_passing = _with_charts(ordered, all_charts=all_charts)
    open_cards = list(_cards(ordered, has_card=True, most=most_failing))
    closed_cards = list(_cards(ordered, has_card=False, most=most_passing))
    rows = [
        row
        for each, card in _paired(ordered, [*open_cards, *closed_cards])
        for row in table_rows(each.test, each.anchor, card.search, is_final=each.is_final)
    ]
    counts = _counts(document["tests"])
    finals = {each.anchor for each in ordered if each.is_final}
    data = embed(document)
    return Page(
        title=_title(counts, document),
        counts=counts,
        gates=count_gates(document).text,
        context=context_facts(document),
        noise=noise_of(document),
        lead=_lead([card for card in open_cards if card.anchor in finals]),
        empty=""
        if document["tests"]
        else "No measuring test ran in this session: nothing was measured.",
        cards=tuple(open_cards),
        passing=tuple(closed_cards),
        groups=group_rows(rows),
        families=make_families(document["tests"]),
        notices=(
            *document.get("notices", ()),
            *_notices(open_cards, closed_cards, data),
        ),
        sections=make_sections(document),
        environment=environment_facts(document),
        method=METHOD,
        glossary=GLOSSARY,
        keys=KEYS,
        data=data,
    )


def _with_charts(ordered: Sequence[_Numbered], *, all_charts: bool) -> tuple[int, int]:
    """Return how many non-passing and how many passing tests have their charts."""
    if all_charts:
        return len(ordered), len(ordered)
    is_large = len(ordered) > MAX_FULL_PASSING
    passing = sum(not outcome_of(each.test["outcome"]).has_card for each in ordered)
    return (
        MAX_FULL_FAILING_OF_MANY if is_large else MAX_FULL_FAILING,
        passing if passing <= MAX_FULL_PASSING else 0,
    )


def _numbered(tests: Sequence[Json]) -> Iterator[_Numbered]:
    """Give the last attempt of a test its plain permalink and earlier ones a suffix."""
    finals = final_indices(tests)
    seen: Counter[str] = Counter()
    for index, test in enumerate(tests):
        name = anchor(identity(test))
        if index in finals:
            yield _Numbered(index, test, name, is_final=True)
        else:
            seen[name] += 1
            yield _Numbered(index, test, f"{name}-{seen[name]}", is_final=False)


def _cards(ordered: Sequence[_Numbered], *, has_card: bool, most: int) -> Iterator[Card]:
    chosen = [each for each in ordered if outcome_of(each.test["outcome"]).has_card is has_card]
    for number, each in enumerate(chosen):
        yield make_card(
            each.test,
            each.anchor,
            is_final=each.is_final,
            with_charts=number < most,
            position=each.position,
        )


def _paired(
    ordered: Sequence[_Numbered], cards: Sequence[Card]
) -> Iterator[tuple[_Numbered, Card]]:
    by_anchor = {card.anchor: card for card in cards}
    for each in ordered:
        yield each, by_anchor[each.anchor]


def _counts(tests: Sequence[Json]) -> tuple[Count, ...]:
    finals = final_indices(tests)
    numbers = Counter(outcome_of(tests[index]["outcome"]).name for index in finals)
    return tuple(
        Count(outcome, f"{numbers[name]} {outcome.word}")
        for name, outcome in OUTCOMES.items()
        if numbers[name]
    )


def _title(counts: Sequence[Count], document: Json) -> str:
    parts = [f"{count.outcome.symbol} {count.text}" for count in counts] or ["nothing measured"]
    kept = parts[:1]
    for part in parts[1:]:
        kept += [part] if len(", ".join([*kept, part])) <= MAX_TITLE else []
    name = one_line(str(document["context"].get("project") or "")) or "pytest-pipeline report"
    title = f"{', '.join(kept)} - {name}"
    return title if len(title) <= MAX_TITLE else ", ".join(kept)


def _lead(cards: Sequence[Card]) -> str:
    if any(card.outcome.rank <= 1 for card in cards):
        return "What failed"
    return "What could not be decided" if cards else ""


def _notices(open_cards: Sequence[Card], closed: Sequence[Card], data: Embedded) -> Iterator[str]:
    bare = sum(1 for card in closed if card.omitted)
    if bare:
        yield f"Charts of {units.count(bare, 'passing test')} are left out to keep this page small; the JSON file has their data, --pipeline-charts=all draws them."
    crowded = sum(1 for card in open_cards if card.omitted)
    if crowded:
        yield f"Charts of {units.count(crowded, 'further test')} that did not pass are left out (the first {len(open_cards) - crowded} have theirs; --pipeline-charts=all draws them)."
    if data.omitted:
        yield f"The data embedded in this page leaves out: {data.omitted}. The JSON file is complete."
