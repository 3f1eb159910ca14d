"""One process of a lock test: shares or is alone again and again, and logs when it was inside.

python lock_process.py LOCKFILE LOGFILE share|alone|measure SECONDS_INSIDE SECONDS_IN_ALL
"""

from __future__ import annotations

import sys
import time

from pytest_pipeline.plugin.alone.bytelocks import open_locks
from pytest_pipeline.plugin.alone.lock import Exclusivity


def main() -> None:
    path, log_path, role, inside_s, all_s = sys.argv[1:]
    exclusivity = Exclusivity(open_locks(path))
    print("ready", flush=True)
    ends = time.monotonic() + float(all_s)
    with open(log_path, "a", buffering=1) as log:
        while time.monotonic() < ends:
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
            if role != "share":
                time.sleep(0.03)
            log.write(f"{role} {asked} {began} {ended} {bool(company):d}\n")


main()
