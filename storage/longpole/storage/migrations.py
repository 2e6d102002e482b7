"""The steps of the schema that an older file lacks, taken by sqlite-utils."""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from longpole.storage.schema import SET, STEPS, Step

MIGRATIONS: Final = Migrations(SET)


def _add(step: Step) -> None:
    def take(db: Database) -> None:
        for statement in step.statements():
            db.execute(statement)

    MIGRATIONS(name=step.name)(take)


for _step in STEPS:
    _add(_step)
