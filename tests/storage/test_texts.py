"""Words are told apart and folded as SQLite's FTS5 does it, which other stores have to match."""

from __future__ import annotations

import contextlib
import sqlite3
from unicodedata import ucd_3_2_0 as unicode_3

from longpole.storage.texts import words_of

LETTERS = [
    chr(code)
    for code in range(1, 0x2_0000)
    # What came to Unicode later is not in the tables that FTS5 has been built with; Cherokee got
    # its small letters since, and the dotted capital I has no small one of a single letter.
    if unicode_3.category(chr(code)) not in ("Cn", "Cs")
    and chr(code) != "İ"
    and not "\u13a0" <= chr(code) <= "\u13ff"
    # Without a letter before it, whether a sign is part of a word makes no difference.
    and chr(code) not in "\u1885\u1886"
]


def test_every_letter_is_a_word_or_none_as_in_fts5_and_folded_as_there() -> None:
    texts = [f"q{letter}q" for letter in LETTERS]
    found: list[list[str]] = [[] for _ in texts]
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE VIRTUAL TABLE texts USING fts5 "
            "(body, tokenize = 'unicode61 remove_diacritics 0')"
        )
        connection.execute("CREATE VIRTUAL TABLE seen USING fts5vocab (texts, instance)")
        connection.executemany("INSERT INTO texts (rowid, body) VALUES (?, ?)", enumerate(texts, 1))
        for term, row in connection.execute("SELECT term, doc FROM seen ORDER BY doc, offset"):
            found[row - 1].append(term)

    assert [words_of(text) for text in texts] == found
    assert len(texts) > 50_000
