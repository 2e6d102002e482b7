"""The schema, as named steps that are only ever appended; a new file takes all of them at once.

`application_id` says that a file is ours, `user_version` how many steps it has. Content and raw
attributes lie in a table of their own, so that lists and analysis read narrow rows only; the
run objects of summaries likewise. Sums that every page asks for (`totals`) and the columns lists
are ordered by are kept up to date, never computed on reading.

A new file gets its steps here and not by sqlite-utils (`migrations`): loading that takes the traced
app half a second and, with the pandas that it loads, 45,000 objects that every full garbage
collection walks from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sqlite3 import Connection

SET: Final = "longpole"
"""What sqlite-utils calls these steps."""


class Step(NamedTuple):
    """One step.

    Attributes:
        name: by which a file's table of steps knows it.
        script: statements without a semicolon inside, and semicolons between them.
    """

    name: str
    script: str

    def statements(self) -> Iterator[str]:
        """Return the statements one by one: as a script they would end the transaction."""
        return filter(None, map(str.strip, self.script.split(";")))


def create(connection: Connection, at: datetime) -> None:
    """Make the tables of a new file, as `migrations` would, inside the caller's transaction.

    Args:
        connection: an empty database.
        at: now.
    """
    for statement in _TABLE_OF_STEPS:
        connection.execute(statement)
    for step in STEPS:
        for statement in step.statements():
            connection.execute(statement)
        connection.execute(_NOTE_STEP, (SET, step.name, str(at)))


_TABLE_OF_STEPS: Final = (
    'CREATE TABLE "_sqlite_migrations" (\n'
    '   "id" INTEGER PRIMARY KEY,\n'
    '   "migration_set" TEXT,\n'
    '   "name" TEXT,\n'
    '   "applied_at" TEXT\n'
    ")",
    'CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"\n'
    '    ON "_sqlite_migrations" ("migration_set", "name")',
)
"""The table in which sqlite-utils notes steps, letter for letter."""
_NOTE_STEP: Final = (
    "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)"
)

_M001: Final = """
CREATE TABLE recorders (
    recorder INTEGER PRIMARY KEY,
    recorder_id TEXT NOT NULL UNIQUE,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    is_dead INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX recorders_alive ON recorders (recorder) WHERE is_dead = 0;

CREATE TABLE spools (
    file TEXT PRIMARY KEY,
    recorder INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    events INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    is_bad INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE drops (
    recorder INTEGER NOT NULL,
    reason TEXT NOT NULL,
    spans INTEGER NOT NULL,
    PRIMARY KEY (recorder, reason)
) STRICT;

CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    runs INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    changes INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0);

CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    trace_id TEXT,
    root_span_id TEXT,
    name TEXT,
    status TEXT NOT NULL,
    start_ns INTEGER,
    end_ns INTEGER,
    wall_ns INTEGER,
    spans INTEGER NOT NULL,
    session_id TEXT,
    user_id TEXT,
    tags TEXT,
    search TEXT,
    recorder INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    settled_revision INTEGER,
    cost_usd REAL,
    speedup_ratio REAL,
    tokens INTEGER,
    retries INTEGER
) STRICT;
CREATE INDEX runs_start ON runs (start_ns);
CREATE INDEX runs_name ON runs (name, start_ns);
CREATE INDEX runs_session ON runs (session_id, start_ns) WHERE session_id IS NOT NULL;
CREATE INDEX runs_status ON runs (status, start_ns);
CREATE INDEX runs_running ON runs (recorder) WHERE status = 'running';
CREATE INDEX runs_unsettled ON runs (start_ns)
    WHERE settled_revision IS NULL OR settled_revision <> revision;
CREATE INDEX runs_wall ON runs (wall_ns);
CREATE INDEX runs_cost ON runs (cost_usd);
CREATE INDEX runs_speedup ON runs (speedup_ratio);
CREATE INDEX runs_tokens ON runs (tokens);
CREATE INDEX runs_retries ON runs (retries);

CREATE TABLE run_tags (
    tag TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (tag, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_tags_run ON run_tags (run);

CREATE TABLE spans (
    run INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    recorder INTEGER NOT NULL,
    parent_span_id TEXT,
    is_root INTEGER,
    name TEXT,
    start_ns INTEGER,
    end_ns INTEGER,
    status TEXT,
    error_type TEXT,
    error_message TEXT,
    kind TEXT,
    role TEXT,
    branch TEXT,
    step INTEGER,
    attempt INTEGER,
    fan_out TEXT,
    fan_out_limit INTEGER,
    order_group TEXT,
    order_seq INTEGER,
    order_superstep INTEGER,
    order_after TEXT,
    is_streamed INTEGER,
    is_detached INTEGER,
    ready_ns INTEGER,
    first_token_ns INTEGER,
    model TEXT,
    provider TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cache_hit INTEGER,
    langchain_run_id TEXT,
    host TEXT,
    PRIMARY KEY (run, span_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE contents (
    run INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    input_value TEXT,
    input_mime_type TEXT,
    output_value TEXT,
    output_mime_type TEXT,
    start_attributes TEXT,
    end_attributes TEXT,
    PRIMARY KEY (run, span_id)
) STRICT;

CREATE TABLE costs (
    run INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    cost_usd TEXT,
    unpriced TEXT,
    PRIMARY KEY (run, span_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE summaries (
    run INTEGER PRIMARY KEY,
    run_object TEXT NOT NULL
) STRICT
"""

_M002: Final = """
CREATE TABLE exports (
    destination TEXT NOT NULL,
    run INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    sent TEXT NOT NULL,
    refused TEXT,
    waiting TEXT,
    shift_ns INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    PRIMARY KEY (destination, run)
) STRICT, WITHOUT ROWID
"""

_M003: Final = """
CREATE INDEX spans_found ON spans (run, name, kind, model, provider, branch);
CREATE INDEX spans_retried ON spans (run) WHERE attempt > 1;
CREATE INDEX spans_failed ON spans (run) WHERE status = 'error';
CREATE INDEX spans_error ON spans (run) WHERE error_type IS NOT NULL;
CREATE INDEX spans_fallback ON spans (run) WHERE role = 'fallback';
CREATE INDEX spans_cache_hit ON spans (run) WHERE cache_hit = 1;
CREATE INDEX spans_queued ON spans (run) WHERE ready_ns < start_ns;
CREATE INDEX spans_open ON spans (run) WHERE end_ns IS NULL
"""

_M004: Final = """
ALTER TABLE spans ADD COLUMN limit_ignored INTEGER;
ALTER TABLE spans ADD COLUMN result_swapped INTEGER
"""

_M005: Final = """
DROP INDEX spans_found;
ALTER TABLE runs ADD COLUMN is_indexed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_unindexed ON runs (start_ns) WHERE is_indexed = 0;
CREATE TABLE words (
    word INTEGER PRIMARY KEY,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (field, value)
) STRICT;
CREATE TABLE facets (
    word INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (word, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX facets_run ON facets (run);
CREATE VIRTUAL TABLE texts USING fts5 (
    body, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 0'
);
CREATE INDEX costs_unpriced ON costs (run, unpriced) WHERE unpriced IS NOT NULL;
DROP INDEX spans_retried;
DROP INDEX spans_failed;
DROP INDEX spans_fallback;
DROP INDEX spans_cache_hit;
DROP INDEX spans_queued;
DROP INDEX spans_open;
CREATE INDEX spans_retried ON spans (run, attempt) WHERE attempt > 1;
CREATE INDEX spans_failed ON spans (run, status) WHERE status = 'error';
CREATE INDEX spans_fallback ON spans (run, role) WHERE role = 'fallback';
CREATE INDEX spans_cache_hit ON spans (run, cache_hit) WHERE cache_hit = 1;
CREATE INDEX spans_queued ON spans (run, ready_ns, start_ns) WHERE ready_ns < start_ns;
CREATE INDEX spans_open ON spans (run, end_ns, recorder) WHERE end_ns IS NULL
"""

_M006: Final = "ALTER TABLE summaries ADD COLUMN sample TEXT"

STEPS: Final = (
    # Recorders and their spools, runs, spans, contents, costs, summaries.
    Step("m001_initial", _M001),
    # The ledger of what was sent where.
    Step("m002_exports", _M002),
    # Indexes for filters that look into spans; their conditions are those of `filter_sql`.
    Step("m003_filters", _M003),
    # Limits that were asked for in vain, and results that are another row's.
    Step("m004_limits", _M004),
    # Facets and a full-text index (`index.py`) instead of a wide index of every span. The small
    # indexes get the column that their condition is about: without it SQLite looks up the span of
    # every entry to check the condition once more.
    Step("m005_index", _M005),
    # What is kept of a run for pages about many runs, so that none of them analyses it again.
    Step("m006_samples", _M006),
)
