"""Results on disk: one JSON object per line, appended as it happens, so that nothing is lost.

Every machine has a file of its own. A gate is promised on every machine, so the runs of all of them count; a clean
speedup holds where it was learned.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from pytest_pipeline.measure.system import host
from pytest_pipeline.model.environment import Environment

Record = dict[str, Any]
"""`kind` says which: `session`, `clean` (a workload's clean speedup), `run`, or `null`."""

RESULTS = Path(__file__).with_name("results")


def default_path(environment: Environment | None = None) -> Path:
    """Return the file of this machine: its name tells the cores and Python, not the host."""
    found = environment or host.describe()
    facts = (found.cpu, found.cores_logical, found.cores_usable, found.cpu_quota, found.python)
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:8]
    python = found.python.split()[-1]
    return RESULTS / f"{found.cores_usable}-cores-python-{python}-{digest}.jsonl"


class Store:
    """The records of this machine's file, to which it appends, beside those of the other files in its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = _read(path)
        others = sorted(set(path.parent.glob("*.jsonl")) - {path})
        self._others = [_read(other) for other in others]

    def append(self, record: Record) -> None:
        """Write `record` behind the others, on a line of its own."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lead = "\n" if _ends_in_the_middle(self.path) else ""
        line = json.dumps(record, separators=(",", ":"), allow_nan=False)
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"{lead}{line}\n")
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)

    def of_kind(self, kind: str) -> list[Record]:
        """Return the records of one kind, of all machines, each machine's oldest first."""
        return [record for records in self._files for record in records if record["kind"] == kind]

    def here(self, kind: str) -> list[Record]:
        """Return the records of one kind that this machine wrote, oldest first."""
        return [record for record in self.records if record["kind"] == kind]

    def by_machine(self, kind: str) -> dict[str, list[Record]]:
        """Return the records of one kind by the machine that wrote them, as its sessions name it."""
        found: dict[str, list[Record]] = {}
        for records in self._files:
            machine = ""
            for record in records:
                machine = record["machine"] if record["kind"] == "session" else machine
                if record["kind"] == kind:
                    found.setdefault(machine, []).append(record)
        return found

    def runs(self, cell: str) -> list[Record]:
        """Return the runs of one cell, of all machines."""
        return [record for record in self.of_kind("run") if record["cell"] == cell]

    def counts(self) -> Counter[str]:
        """Return how many runs every cell has, on all machines together."""
        return Counter(record["cell"] for record in self.of_kind("run"))

    @property
    def _files(self) -> list[list[Record]]:
        return [*self._others, self.records]


def _read(path: Path) -> list[Record]:
    if not path.exists():
        return []
    return [found for line in path.read_text().splitlines() for found in _parse(line)]


def _parse(line: str) -> list[Record]:
    """Return the record of a line, or nothing: the last one may have been cut off."""
    try:
        record = json.loads(line)
    except ValueError:
        return []
    return [record] if isinstance(record, dict) and "kind" in record else []


def _ends_in_the_middle(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
