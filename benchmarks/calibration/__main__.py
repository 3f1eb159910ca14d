"""Run the experiments and write the table.

python -m benchmarks.calibration --minutes 45        go on where the last session stopped
python -m benchmarks.calibration --cells 'planted*' p99  only some of them
python -m benchmarks.calibration --plan              what is missing and how long it will take
python -m benchmarks.calibration --replay            what the rule as it is now says of the recorded rounds
python -m benchmarks.calibration --table             write docs/calibration.md from the results
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.calibration.cells import choose
from benchmarks.calibration.clean import NotQuietError
from benchmarks.calibration.null import simulate
from benchmarks.calibration.plan import plan_table
from benchmarks.calibration.replay import replay_table
from benchmarks.calibration.runner import Session
from benchmarks.calibration.store import Store, default_path
from benchmarks.calibration.table import DOCUMENT, render


def main() -> None:
    """Do what the options say."""
    options = _parse()
    store = Store(options.store or default_path())
    cells = choose(*options.cells, is_nightly=options.nightly)
    if options.plan:
        print(plan_table(cells, store))
        return
    if options.replay:
        print(replay_table(cells, store))
        return
    if not options.table:
        _measure(Session(cells, store, options.minutes))
        print(plan_table(cells, store))
    if not store.of_kind("null"):
        for record in simulate():
            store.append(record)
    text = render(choose("*", is_nightly=options.nightly), store)
    if options.table:
        DOCUMENT.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {DOCUMENT}")
    else:
        print(text)


def _measure(session: Session) -> None:
    try:
        session.run()
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here")
    except NotQuietError as error:
        raise SystemExit(str(error)) from error


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=45.0, help="stop in time (45)")
    parser.add_argument(
        "--cells", nargs="+", default=["*"], help="shell patterns, or parts of the names"
    )
    parser.add_argument("--nightly", action="store_true", help="300 runs of every cell")
    parser.add_argument("--store", type=Path, help="results file (default: one per machine)")
    parser.add_argument("--plan", action="store_true", help="print what is missing")
    parser.add_argument("--replay", action="store_true", help="judge the recorded rounds again")
    parser.add_argument("--table", action="store_true", help="write the table, measure nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
