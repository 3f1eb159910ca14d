"""One process of a lock test: shares or is alone again and again, and logs when it was inside.

python lock_process.py LOCKFILE LOGFILE share|alone|measure SECONDS_INSIDE SECONDS_IN_ALL

Says `ready` once, `waits` when it has to wait for the first time, and `in` whenever it is inside. It is inside
at least once.
"""

from __future__ import annotations

import sys
import time

from pytest_pipeline.plugin.alone.bytelocks import open_locks
from pytest_pipeline.plugin.alone.lock import Exclusivity, Pace


def main() -> None:
    path, log_path, role, inside_s, all_s = sys.argv[1:]
    has_waited = False

    def sleep(seconds: float) -> None:
        nonlocal has_waited
        if not has_waited:
            has_waited = True
            print("waits", flush=True)
        time.sleep(seconds)

    exclusivity = Exclusivity(open_locks(path), pace=Pace(sleep=sleep))
    print("ready", flush=True)
    ends = time.monotonic() + float(all_s)
    with open(log_path, "a", buffering=1) as log:
        while True:
            asked = time.monotonic()
            if role == "share":
                exclusivity.share()
            else:
                exclusivity.be_alone()
            began = time.monotonic()
            print("in", flush=True)
            company = ""
            if role == "measure":
                with exclusivity.measuring() as company:
                    time.sleep(float(inside_s))
            else:
                time.sleep(float(inside_s))
            ended = time.monotonic()
            exclusivity.leave()
            log.write(f"{role} {asked} {began} {ended} {bool(company):d}\n")
            if ended >= ends:
                break
            if role != "share":
                time.sleep(0.03)


main()
