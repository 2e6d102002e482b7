"""A provider's batch API in the gallery, through langasync."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from longpole.model import Kind
from tests.examples.playing import played, spans


@pytest.mark.skipif(
    importlib.util.find_spec("langasync") is None,
    reason="langasync is not installed: the example of provider batch jobs was NOT tried",
)
def test_a_provider_job_is_one_run_of_prompts_and_parsers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # langasync reads the `.env` of the folder it is started in
    from examples import provider_batch_langasync

    answers, (seen,) = played(provider_batch_langasync.play, tmp_path, speed=50)

    assert answers == ["Nothing."] * 3
    assert seen.run.name == "weekly notes"
    assert len(spans(seen, Kind.PROMPT)) == len(spans(seen, Kind.PARSER)) == 3
    assert spans(seen, Kind.LLM) == []
    submitted = max(span.end_ns or 0 for span in spans(seen, Kind.PROMPT))
    assert min(span.start_ns for span in spans(seen, Kind.PARSER)) > submitted
