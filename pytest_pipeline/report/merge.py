"""Several documents become one: the shards of a CI matrix in one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json

_MACHINE = ("cpu", "cores_usable", "system", "python")
"""Facts of the environment that decide whether absolute times can be compared."""


def merge(documents: Mapping[str, Json], *, unreadable: Sequence[str] = ()) -> dict[str, Any]:
    """Return one document with the tests of all, in the order given.

    `documents` maps a name (the file's) to its document; `unreadable` are sentences about files that
    could not be read. A test that several shards ran is kept once per shard and carries the shard's
    name, so that a pass on one machine never hides a miss on another. The rest comes from the first
    document; where shards disagree, a notice says so. Raises `ValueError` for no documents.
    """
    if not documents:
        raise ValueError("; ".join(["nothing to merge", *unreadable]))
    first = next(iter(documents.values()))
    shared = _ran_in_several(documents)
    tests = [
        {**test, "shard": _shard(name, test)} if test["nodeid"] in shared else test
        for name, document in documents.items()
        for test in document["tests"]
    ]
    merged = {
        **first,
        "created": max(str(document["created"]) for document in documents.values()),
        "tests": tests,
    }
    said = {"notices": [*_notices(documents), *unreadable], "sections": _sections(documents)}
    return merged | {key: value for key, value in said.items() if value}


def _shard(name: str, test: Json) -> str:
    """Return what tells this run of `test` from the others: in a file that was merged before, each has a shard already."""
    before = str(test.get("shard") or "")
    return f"{name}/{before}" if before else name


def _ran_in_several(documents: Mapping[str, Json]) -> frozenset[str]:
    shards = Counter(
        nodeid
        for document in documents.values()
        for nodeid in {test["nodeid"] for test in document["tests"]}
    )
    return frozenset(nodeid for nodeid, count in shards.items() if count > 1)


def _sections(documents: Mapping[str, Json]) -> list[Json]:
    """Return what other plugins added, once where shards say the same, else under the shard's name."""
    all_of = [
        (name, each)
        for name, document in documents.items()
        for each in document.get("sections", ())
    ]
    titles = Counter(title for title, _ in {(each["title"], repr(each)) for _, each in all_of})
    kept: dict[str, Json] = {}
    for name, each in all_of:
        title = (
            each["title"] if titles[each["title"]] == 1 else f"{each['title']} ({one_line(name)})"
        )
        kept.setdefault(title, {**each, "title": title})
    return list(kept.values())


def _notices(documents: Mapping[str, Json]) -> list[str]:
    notices = [note for document in documents.values() for note in document.get("notices", ())]
    if len(documents) > 1:
        notices.append(f"merged from {', '.join(map(one_line, documents))}")
    machines = {machine_of(document): name for name, document in reversed(list(documents.items()))}
    if len(machines) > 1:
        described = "; ".join(f"{one_line(name)}: {text}" for text, name in machines.items())
        notices.append(
            f"measured on different machines, so compare ratios, never seconds: {described}"
        )
    commits = {str(document["context"].get("commit") or "") for document in documents.values()}
    if len(commits - {""}) > 1:
        shown = ", ".join(sorted(commit[:12] for commit in commits - {""}))
        notices.append(f"measured at different commits: {shown}")
    return [*notices, *_other_versions(documents)]


def _other_versions(documents: Mapping[str, Json]) -> list[str]:
    """Return one sentence that names what was not of one version everywhere, each with all its versions."""
    seen: dict[str, dict[str, None]] = {}
    for document in documents.values():
        packages = document["environment"].get("packages") or {}
        for package, version in {**packages, "pytest-pipeline": document["version"]}.items():
            seen.setdefault(package, {})[str(version)] = None
    mixed = [f"{name} {' and '.join(found)}" for name, found in seen.items() if len(found) > 1]
    return [f"measured with different versions: {one_line(', '.join(mixed))}"] if mixed else []


def machine_of(document: Json) -> str:
    """Return in words what decides whether absolute times of two documents can be compared."""
    environment = document["environment"]
    facts = [str(environment[fact]) for fact in _MACHINE if fact in environment]
    return ", ".join([*facts, "GIL off"] if environment.get("gil") is False else facts)
