"""What must be equal for two sessions' values to be compared: the class of machine, and the workload.

Versions of packages, of the kernel and of Python's last digit are left out: an upgrade that makes a stage slower
shall be seen. Of the items their number, types and sizes count, not their values: items made at random, or lying
in a temporary folder, shall have a history at all (`measure.item_kinds` says what that cannot see).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
"""In a default `repr`: other in every process."""


def machine_text(environment: Mapping[str, Any]) -> str:
    """Return the class of machine in words, from the document's `environment`."""
    system = str(environment.get("system") or "").split()
    implementation, _, version = str(environment.get("python") or "").partition(" ")
    quota, gil = environment.get("cpu_quota"), environment.get("gil")
    parts = (
        str(environment.get("cpu") or ""),
        f"{environment.get('cores_usable')} of {environment.get('cores_logical')} cores",
        f"quota {quota:g} cores" if quota else "",
        " ".join(dict.fromkeys([*system[:1], *system[-1:]])),
        f"{implementation} {'.'.join(version.split('.')[:2])}".strip(),
        "" if gil is None else "GIL on" if gil else "GIL off",
    )
    return ", ".join(part for part in parts if part)


def machine_mark(environment: Mapping[str, Any]) -> str:
    """Return 12 hex digits of the class of machine."""
    return _mark(machine_text(environment))


def workload_mark(run: Mapping[str, Any], executor: str) -> str:
    """Return 12 hex digits of what `executor` had to do in `run`, an element of the document's `runs`.

    Workers that follow from the machine are its business: only those that were asked for count here.
    """
    declared = run["notes"].get("workload") or {}
    options = (declared.get("executors") or {}).get(executor, "")
    rates = {each["rate_per_s"] for each in run["findings"] if each["executor"] == executor}
    parts = [
        run["stages"],
        declared.get("chunk"),
        run["num_items"],
        declared.get("items"),
        run["baseline"],
        run["check"],
        executor,
        _ADDRESS.sub("", options),
        sorted(rate for rate in rates if rate is not None),
    ]
    arrivals = declared.get("arrivals")
    return _mark(
        [*parts, arrivals] if arrivals else parts
    )  # the mark of those without stays what it was


def _mark(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
