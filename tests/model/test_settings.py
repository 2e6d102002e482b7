"""What the environment may say, and what is said when it says something else."""

from __future__ import annotations

import pytest

from longpole.model import settings
from longpole.model.errors import (
    AmbiguousRunError,
    LongpoleError,
    NewerSchemaError,
    SettingsError,
    UnknownRunError,
)
from longpole.model.settings import read_settings


def test_an_empty_environment_gives_the_defaults() -> None:
    read = read_settings({})

    assert read.store.startswith("sqlite:///")
    assert read.store.endswith("longpole/longpole.db")
    assert (read.capture_content, read.content_limit, read.exit_timeout_s) == (True, 100_000, 2.0)


def test_every_variable_is_read() -> None:
    read = read_settings(
        {
            settings.LONGPOLE_STORE: "/x/runs.db",
            settings.LONGPOLE_CAPTURE_CONTENT: "No",
            settings.LONGPOLE_CONTENT_LIMIT: "12",
            settings.LONGPOLE_SPOOL_LIMIT_MIB: "0.5",
            settings.LONGPOLE_EXIT_TIMEOUT_S: "0",
            settings.LONGPOLE_PROBES: "off",
        }
    )

    assert read.store == "/x/runs.db"
    assert (read.capture_content, read.probes) == (False, False)
    assert (read.content_limit, read.spool_limit_bytes, read.exit_timeout_s) == (12, 524288, 0.0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (settings.LONGPOLE_CAPTURE_CONTENT, "perhaps"),
        (settings.LONGPOLE_CONTENT_LIMIT, "many"),
        (settings.LONGPOLE_SPOOL_LIMIT_MIB, "-1"),
        (settings.LONGPOLE_EXIT_TIMEOUT_S, "nan"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is '{value}', expected"):
        read_settings({variable: value})


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (NewerSchemaError("runs.db", 7, 5), "pip install -U longpole"),
        (UnknownRunError("abc"), "longpole runs"),
        (UnknownRunError("last"), "longpole demo"),
        (AmbiguousRunError("a", ["ab", "ac"]), "ab, ac; give more digits"),
    ],
)
def test_errors_tell_the_way_out(error: LongpoleError, way_out: str) -> None:
    assert way_out in str(error)
