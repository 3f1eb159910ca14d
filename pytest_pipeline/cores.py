"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cores(*, own: Path = _OWN, root: Path = _CGROUP) -> int:
    """Return the cores that affinity and the cgroup's CPU quota leave, at least 1.

    Only the whole part of a quota counts: a worker more would spend its time throttled.
    """
    cores = allowed_cores()
    quota = cpu_quota(own=own, root=root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def allowed_cores() -> int:
    """Return the cores that affinity leaves, whatever the quota."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(*, own: Path = _OWN, root: Path = _CGROUP) -> float | None:
    """Return the tightest CPU quota of this process's cgroup and its ancestors, in cores."""
    found: list[float] = []
    for folder in cpu_groups(own=own, root=root):
        found.extend(q for q in (_quota_v2(folder), _quota_v1(folder)) if q is not None)
    return min(found, default=None)


def cpu_groups(*, own: Path = _OWN, root: Path = _CGROUP) -> list[Path]:
    """Return the folders of this process's cgroup and its ancestors that may limit the CPU."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        found += _up(root if not controllers else root / "cpu", path)
    return found


def _up(base: Path, path: str) -> list[Path]:
    parts = [part for part in path.split("/") if part]
    return [base.joinpath(*parts[:n]) for n in range(len(parts), -1, -1)]


def _quota_v2(folder: Path) -> float | None:
    text = _read(folder / "cpu.max").split()
    if len(text) != 2 or not text[0].isdigit():
        return None
    return int(text[0]) / int(text[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if not quota.isdigit() or not period.isdigit():
        return None  # -1 means no limit
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
