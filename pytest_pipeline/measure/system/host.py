"""The real machine: cores, quota, counters, and what to write under "environment"."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import psutil

from pytest_pipeline.cores import allowed_cores, cpu_quota, usable_cores
from pytest_pipeline.executors.protocol import WORKER_PROCESS
from pytest_pipeline.measure.system.pressure import cpu_ticks, family
from pytest_pipeline.model.environment import Environment

_PACKAGES = ("pytest", "numpy", "pandas", "torch", "cloudpickle")

_X86 = ("x86_64", "amd64", "i686", "i386")


def machine_cpu_s() -> float | None:
    """Return CPU seconds that everybody used on the CPUs we may use so far, steal included (Linux)."""
    rows = cpu_ticks()
    if sys.platform == "win32" or not rows:
        return None
    # user nice system idle iowait irq softirq steal
    used = sum(sum(ticks) - ticks[3] - ticks[4] for ticks in rows)
    return used / os.sysconf("SC_CLK_TCK")


def own_cpu_s() -> float:
    """Return CPU seconds of this process alone."""
    own = os.times()
    return own.user + own.system


def children_cpu_s() -> float:
    """Return CPU seconds of this process's living and reaped descendants, and of those that they reaped."""
    own = os.times()
    total = own.children_user + own.children_system
    for child in _descendants():
        with contextlib.suppress(psutil.Error):
            used = child.cpu_times()
            total += used.user + used.system
            # Only POSIX counts them: elsewhere the fields are missing or 0.
            total += getattr(used, "children_user", 0.0) + getattr(used, "children_system", 0.0)
    return total


def workers_cpu_s() -> float:
    """Return CPU seconds of this process's living worker processes: executors' own, not those that they started."""
    total = 0.0
    for child in multiprocessing.active_children():
        if child.name.startswith(WORKER_PROCESS):
            with contextlib.suppress(psutil.Error):
                used = psutil.Process(child.pid).cpu_times()
                total += used.user + used.system
    return total


def _descendants() -> list[psutil.Process]:
    if not Path("/proc/self/task", str(os.getpid()), "children").exists():
        return psutil.Process().children(recursive=True)
    found = []
    for process in family()[1:]:
        with contextlib.suppress(psutil.Error):
            found.append(psutil.Process(process))
    return found


def in_container() -> bool:
    """Whether counters of the whole machine may not show who takes our cores from us."""
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return cpu_quota() is not None or any(mark.exists() for mark in marks)


def sees_others() -> bool:
    """Whether the CPU counters of the machine show everybody who takes our cores from us (Linux).

    In a container they do, unless its `/proc/stat` is replaced by one that counts the container alone
    (lxcfs). In a virtual machine they do when the hypervisor reports steal.
    """
    rows = cpu_ticks()
    if not rows or any(line.split()[1:2] == ["/proc/stat"] for line in _mounts()):
        return False
    return not may_be_virtual(_read("/proc/cpuinfo")) or any(sum(row[7:8]) for row in rows)


def may_be_virtual(cpuinfo: str) -> bool:
    """Whether a hypervisor may take cores unseen; only x86 says clearly, in `/proc/cpuinfo`, that there is none."""
    if platform.machine().lower() not in _X86:
        return True
    flags = [line for line in cpuinfo.splitlines() if line.startswith("flags")]
    return not flags or any("hypervisor" in line.split() for line in flags)


def waited_s() -> float:
    """Return the run-queue wait of this process's living threads so far (Linux `schedstat`, second field)."""
    waited_ns = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        fields = _read(str(path)).split()
        waited_ns += int(fields[1]) if len(fields) > 1 else 0
    return waited_ns / 1e9


def describe(instruments: tuple[str, ...] = ()) -> Environment:
    """Return the facts about machine and interpreter."""
    return Environment(
        cpu=_cpu_name(),
        cores_logical=os.cpu_count() or 1,
        cores_usable=usable_cores(),
        cpu_quota=cpu_quota(),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        packages=_versions(),
        instruments=instruments,
        cores_allowed=allowed_cores(),
    )


def _versions() -> dict[str, str]:
    """Return the versions of what is imported; a module that stands in for one that is not installed has none."""
    found = {}
    for name in _PACKAGES:
        if name in sys.modules:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
    return found


def _mounts() -> list[str]:
    return _read("/proc/self/mounts").splitlines()


def _cpu_name() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
