"""The JSON file: the whole document, written so that a reader never sees half of it."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_pipeline.report.words import Json

SCHEMA_FILE = Path(__file__).with_name("schema.json")
"""JSON Schema (2020-12) of the document, shipped for those who read the file with other tools."""


def write(document: Json, path: str | Path) -> None:
    """Write `document` to `path`; raises `OSError` naming the file when that fails."""
    write_text(to_text(document), path)


def to_text(document: Json) -> str:
    """Return the JSON text: ASCII, one test per line, the same bytes for the same document."""
    head = {key: value for key, value in document.items() if key != "tests"}
    tests = ",\n".join(_dumps(test) for test in document["tests"])
    return f'{_dumps(head)[:-1]},"tests":[\n{tests}\n]}}\n'


def read(path: str | Path) -> dict[str, Any]:
    """Return the document in `path`.

    Raises `OSError` when it cannot be read and `ValueError` naming the file when it is no text, cut
    off or of another schema.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: an archive to unpack first? ({error})") from error
    except ValueError as error:
        raise ValueError(f"{path} is not complete JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != "pytest-pipeline/1":
        raise ValueError(f"{path} is not a pytest-pipeline/1 document")
    return document


def write_text(text: str, path: str | Path) -> None:
    """Write `text` beside `path` first and move it there, so that two writers never mix.

    A link is followed, and a device or a pipe is written to: neither is replaced by a file.
    """
    target = Path(os.path.realpath(path))
    temporary = ""
    try:
        if _is_special(Path(path)):
            Path(path).write_text(text, encoding="utf-8", newline="\n")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error


def _is_special(path: Path) -> bool:
    return path.exists() and not (path.is_file() or path.is_dir())


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
