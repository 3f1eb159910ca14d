"""A parent that is killed before it can clean up: what becomes of the helper process that it started."""

from __future__ import annotations

import subprocess
import sys

import psutil


def helper_of_a_killed_parent_ends(code: str, *, watchdog_s: float = 20.0) -> bool:
    """Run `code`, which prints the process id of its helper and waits; kill it, and tell whether the helper ends.

    It takes a millisecond; `watchdog_s` is for machines that are held up.
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        process = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        gone, alive = psutil.wait_procs([process], timeout=watchdog_s)
    return (gone, alive) == ([process], [])
