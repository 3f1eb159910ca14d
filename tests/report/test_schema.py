"""The JSON of every kind of document is what the shipped schema says."""

import copy
import json
import os

import documents
import pytest
from jsonschema import Draft202012Validator

from pytest_pipeline.model import document as model_document
from pytest_pipeline.report import json_file

SCHEMA = json.loads(json_file.SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_itself_is_valid_and_names_the_models_version():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == model_document.SCHEMA


@pytest.mark.parametrize(
    "made",
    [
        documents.full(),
        documents.studies(),
        documents.document(),
        documents.document(documents.on_device()),
    ],
    ids=["full", "studies", "empty", "device"],
)
def test_documents_are_valid(made):
    assert [error.message for error in VALIDATOR.iter_errors(made)] == []


def test_the_schema_knows_every_word_of_the_model():
    from pytest_pipeline.model.finding import Reason, Verdict
    from pytest_pipeline.model.requirement import Quantity
    from pytest_pipeline.report.words import OUTCOMES, REASONS

    fields = SCHEMA["$defs"]["finding"]["properties"]
    assert fields["quantity"]["enum"] == [*(each.value for each in Quantity), "outputs"]
    assert fields["verdict"]["enum"] == [each.value for each in Verdict]
    assert set(SCHEMA["$defs"]["test"]["properties"]["outcome"]["enum"]) == set(OUTCOMES)
    assert {each.value for each in Reason} - {""} == set(REASONS)


def test_every_field_is_described():
    def missing(node, path):
        if isinstance(node, dict):
            for name, each in node.get("properties", {}).items():
                if "description" not in each and "$ref" not in each:
                    yield f"{path}.{name}"
            for name, each in node.items():
                yield from missing(each, f"{path}.{name}")

    assert list(missing(SCHEMA, "")) == []


def spoiled(change):
    made = copy.deepcopy(documents.full())
    change(made)
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc.update(extra=1),
        lambda doc: doc["tests"][0].update(outcome="great"),
        lambda doc: doc["tests"][0]["runs"][0]["findings"][0].pop("limit"),
        lambda doc: doc["tests"][0]["runs"][0]["arms"][0].update(makespan_s="fast"),
        lambda doc: doc["tests"][0]["runs"][0]["rounds"][0].update(surprise=True),
        lambda doc: doc.update(sections=[{"title": "t", "text": "", "header": [], "rows": [[1]]}]),
    ],
)
def test_the_schema_is_strict(change):
    assert not VALIDATOR.is_valid(spoiled(change))


def test_a_written_file_reads_back_the_same(tmp_path):
    made = documents.full()
    path = tmp_path / "deep" / "report.json"
    json_file.write(made, path)
    assert json_file.read(path) == made
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


def test_a_failed_write_names_the_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError, match="cannot write .*taken"):
        json_file.write(documents.document(), target)
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full_disk(handle, *_, **__):
        os.close(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full_disk)
    with pytest.raises(OSError, match=r"report\.json: No space left"):
        json_file.write(documents.document(), path)
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "text", ['{"schema":"pytest-pipeline/1","tests":[', "[]", '{"schema":"other/1"}']
)
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "shard.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"shard\.json is not"):
        json_file.read(path)
