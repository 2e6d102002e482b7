"""Files that a page makes: what `longpole export` writes, bounded in size."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from longpole.dashboard.downloads import FORMS, SPANS_MOST, Form, check_spans, make_file
from longpole.model.errors import TooLargeError
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.reading import read_file
from tests.browser import stories
from tests.storage.exchange.packed import packed_run

RUNS = (stories.panel(1), stories.failing(2))


@pytest.fixture
def parcels(tmp_path: Path) -> list[Parcel]:
    return [packed_run(run, tmp_path) for run in RUNS]


def _form(label: str) -> Form:
    return next(form for form in FORMS if form.label == label)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.label)
def test_every_form_makes_a_file_of_all_runs(form: Form, parcels: list[Parcel]) -> None:
    file = make_file(parcels, form, stem="two", with_content=True)

    assert file.name == f"two{form.suffix}"
    assert file.written.runs == 2
    assert file.written.spans == sum(len(run.spans) for run in RUNS)
    assert file.data


_LOOKS_RIGHT: dict[str, Callable[[bytes], bool]] = {
    "Perfetto trace": lambda data: bool(json.loads(data)["traceEvents"]),
    "HTML report": lambda data: data.startswith(b"<!doctype html>") or b"<html" in data[:200],
    "CSV of runs": lambda data: data.count(b"\r\n") == 3,
    "CSV of spans": lambda data: data.count(b"\r\n") == 1 + sum(len(one.spans) for one in RUNS),
    "Parquet tables": lambda data: (
        zipfile.ZipFile(io.BytesIO(data)).namelist() == ["runs.parquet", "spans.parquet"]
    ),
}


@pytest.mark.parametrize("label", list(_LOOKS_RIGHT))
def test_a_file_is_what_it_says(label: str, parcels: list[Parcel]) -> None:
    file = make_file(parcels, _form(label), stem="two", with_content=False)

    assert _LOOKS_RIGHT[label](file.data)


@pytest.mark.parametrize("label", ["JSON lines", "OTLP JSON"])
def test_what_was_downloaded_can_be_imported(
    label: str, parcels: list[Parcel], tmp_path: Path
) -> None:
    file = make_file(parcels, _form(label), stem="two", with_content=True)
    path = tmp_path / file.name
    path.write_bytes(file.data)

    assert any(True for _ in read_file(path))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.label)
def test_a_file_does_not_become_larger_than_allowed(form: Form, parcels: list[Parcel]) -> None:
    with pytest.raises(TooLargeError, match="the file would be larger than 100 B"):
        make_file(parcels, form, stem="two", with_content=True, bytes_most=100)


def test_too_many_spans_are_refused_before_they_are_read() -> None:
    check_spans(SPANS_MOST)

    with pytest.raises(TooLargeError, match="these runs have 50,001 spans"):
        check_spans(SPANS_MOST + 1)
