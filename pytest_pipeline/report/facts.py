"""What surrounds the verdicts: context line, noise of the machine, environment, method, glossary."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

MANY_DISTURBED = 0.5
"""Above this share of disturbed rounds the noise line becomes a warning."""
LOW_EFFICIENCY = 0.85
"""Below it the control kernel's reference was learned on a disturbed machine, or its cores share one unit."""

ONLY_CLEAN = "Verdicts rest on clean rounds only; gates without enough of them are inconclusive"
NARROW = "Cores that slow each other down"

METHOD = (
    "Every executor runs the same stage functions on the same items; outputs are compared before any time is looked at.",
    "A round runs baseline and candidates next to each other, in sub-pairs of random order, with a fixed control kernel before and after. The control and the system's counters say whether a round is clean; the measured times have no say in that.",
    "Only clean rounds count. A missed gate needs every look at the evidence to stay below one chance in a thousand (an anytime-valid test), a streak, and a confirmation with freshly started workers. What cannot be told is inconclusive, never green.",
    "Intervals are confidence sequences of the median: they hold at every look, so stopping early is allowed. Below seven rounds they are still open.",
    "The ledgers and the timeline come from one profiled execution apart from the timed rounds. Of more than a million visits it keeps those of a seeded sample of whole items; counts and the worker ledger stay exact.",
    "Cores and memory are sampled in one more execution of every arm after the rounds, which is never timed; executions shorter than 50 ms or longer than a tenth of the budget are left out.",
)

KEYS = (
    (("j", "k"), "next and previous test that did not pass"),
    (("/",), "go to the filter"),
    (("c",), "copy the summary as Markdown"),
    (("?",), "show or hide these keys"),
    (("Esc",), "leave the filter, or hide these keys"),
    (("+", "-", "Home"), "in a timeline: zoom in and out, show all"),
    (("←", "→"), "in a timeline: move"),
)

GLOSSARY = (
    ("speedup", "baseline makespan / executor makespan, on the same items"),
    ("makespan", "seconds from the first item's entry to the last output"),
    (
        "ceiling",
        "the best speedup this plan allows with the measured service times, workers and queues",
    ),
    ("utilization", "service time / (workers x makespan)"),
    ("blocked", "a worker has finished an item and waits for room in the next queue"),
    ("starved", "a worker is ready and waits for input"),
    (
        "overlap",
        "items in service at once at the fullest moment of a visit, mean over all visits; from the order of starts and ends, no clock",
    ),
    ("efficiency", "speedup / workers"),
    (
        "device efficiency",
        "the shortest makespan that the parts of a device, measured alone, allow / makespan",
    ),
    ("throughput", "items / makespan"),
    ("first result", "seconds from the first item's entry to the first output"),
    ("error rate", "failed items / items, over every execution of an arm"),
    ("peak memory", "largest increase of the memory of parent and children over one execution"),
    (
        "clean round",
        "a round in which the control kernel stayed near its reference, or nobody else took a core",
    ),
    (
        "control kernel",
        "fixed work of the plugin itself, run around every round to watch the machine",
    ),
    ("tolerance", "zone beside the limit in which a value still counts as met"),
    (
        "what if",
        "the speedup that a changed plan is predicted to reach; a simulation, never a verdict",
    ),
    (
        "unaccounted",
        "worker time that none of the stamps explains; at most 2 % in a healthy ledger",
    ),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled piece of context."""

    label: str
    value: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Noise:
    """How quiet the machine was."""

    text: str
    warning: str = ""
    """What the reader must know before reading any verdict, in two or three words; empty = nothing."""


def context_facts(document: Json) -> tuple[Fact, ...]:
    """Return project, commit, branch, time and machine; missing ones are left out."""
    context, environment = document["context"], document["environment"]
    gil = environment.get("gil")
    python = " ".join(
        part
        for part in (
            str(environment.get("python") or ""),
            "" if gil is None else ("(GIL on)" if gil else "(free-threaded, GIL off)"),
        )
        if part
    )
    facts = (
        Fact("", one_line(str(context.get("project") or ""))),
        Fact("commit", str(context.get("commit") or "")[:12], is_code=True),
        Fact("branch", str(context.get("branch") or ""), is_code=True),
        Fact("", readable_time(document["created"])),
        Fact("", _cores(environment)),
        Fact("", python),
    )
    return tuple(fact for fact in facts if fact.value)


def readable_time(created: str) -> str:
    """Return `2026-11-21 20:06 UTC` for an ISO time, or the text as it is."""
    day, separator, clock = created.partition("T")
    if not separator or len(clock) < 5:
        return created
    is_utc = clock.endswith(("Z", "+00:00"))
    return f"{day} {clock[:5]}{' UTC' if is_utc else ''}"


def noise_of(document: Json) -> Noise | None:
    """Return the noise line from rounds, blocks and control kernel; None when nothing was timed."""
    runs = [run for test in document["tests"] for run in test["runs"]]
    timed = [
        each["is_clean"]
        for run in runs
        for each in (*run["rounds"], *run["blocks"])
        if each["phase"] != "warm-up"
    ]
    if not timed:
        return None
    share = timed.count(False) / len(timed)
    references = [run["reference"] for run in runs if run["reference"]]
    known = [each for each in references if each["efficiency"] is not None]
    low = min(known, key=lambda each: each["efficiency"], default=None)
    disturbed = f"{timed.count(False)} of {units.count(len(timed), 'round')} disturbed ({units.percent(share)})"
    rounds = disturbed if low is None else f"{disturbed}; the {_gained(low)}"
    if share > MANY_DISTURBED:
        return Noise(f"{rounds}. {ONLY_CLEAN}", "Noisy machine")
    if low is not None and low["efficiency"] < LOW_EFFICIENCY:
        return Noise(f"The {_gained(low)}, {_expected(low)}. {disturbed}. {ONLY_CLEAN}", NARROW)
    return Noise(f"machine {'quiet' if share <= 0.1 else 'somewhat busy'}: {rounds}")


def _gained(reference: Json) -> str:
    workers = units.count(reference["width"], "worker")
    return f"control kernel gained {units.ratio(reference['speedup'])} on {workers}"


def _expected(reference: Json) -> str:
    return (
        f"free cores give {units.ratio(LOW_EFFICIENCY * reference['width'])} or more: somebody was there before the "
        "session, or the cores share one unit (hyper-threading). CPU-bound stages gain no more than that"
    )


def environment_facts(document: Json) -> tuple[Fact, ...]:
    """Return the rows of the environment table."""
    environment, context = document["environment"], document["context"]
    quota = environment.get("cpu_quota")
    packages = environment.get("packages") or {}
    gil = environment.get("gil")
    facts = [
        Fact("processor", str(environment.get("cpu") or "")),
        Fact("cores", _cores(environment)),
        Fact("CPU quota", f"{units.significant(quota)} cores" if quota else "none"),
        Fact("memory", units.size(environment.get("memory_bytes"))),
        Fact("system", str(environment.get("system") or "")),
        Fact("Python", str(environment.get("python") or "")),
        Fact("GIL", "" if gil is None else "on" if gil else "off"),
        Fact("packages", ", ".join(f"{name} {packages[name]}" for name in sorted(packages))),
        *(Fact("instrument", str(each)) for each in environment.get("instruments") or ()),
        *(
            Fact(str(key), shorten(str(value), 2000), is_code=True)
            for key, value in sorted(context.items())
            if value not in (None, "", [], {})
        ),
        Fact("created", str(document["created"])),
        Fact("pytest-pipeline", f"{document['version']}, schema {document['schema']}"),
    ]
    return tuple(fact for fact in facts if fact.value and fact.value != units.MISSING)


def _cores(environment: Json) -> str:
    usable, logical = environment.get("cores_usable"), environment.get("cores_logical")
    if not usable and not logical:
        return ""
    if usable == logical or not usable or not logical:
        return units.count(usable or logical or 0, "core")
    return f"{usable} of {units.count(logical, 'core')} usable"
