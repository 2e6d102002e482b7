from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from longpole.dashboard.palette import (
    FAMILY_COLOURS,
    FAMILY_NAMES,
    Family,
    Theme,
    family,
)
from longpole.model import Kind, Role
from tests.browser import stories

Matrix = npt.NDArray[np.float64]

# Machado, Oliveira, Fernandes 2009, severity 1.0, applied to linear RGB.
SIGHTS: dict[str, Matrix] = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.95047, 1.0, 1.08883])


def _lab(colour: str, sight: Matrix) -> Matrix:
    encoded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = _XYZ @ np.clip(sight @ linear, 0, 1) / _WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_two_families_look_alike_to_anybody(theme: Theme, sight: str) -> None:
    labs = [_lab(colour, SIGHTS[sight]) for colour in FAMILY_COLOURS[theme]]

    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(labs, 2)) >= 18


def test_every_family_has_a_name_and_a_colour_in_both_themes() -> None:
    assert len(FAMILY_NAMES) == len(Family)
    assert all(len(colours) == len(Family) for colours in FAMILY_COLOURS.values())


def test_the_oddest_thing_about_a_span_gives_it_its_colour() -> None:
    call = next(span for span in stories.panel(1).spans if span.kind is Kind.LLM)

    assert family(call) is Family.MODEL
    assert family(replace(call, attempt=2)) is Family.RETRY
    assert family(replace(call, attempt=2, role=Role.FALLBACK)) is Family.FALLBACK
    assert family(replace(call, cache_hit=True)) is Family.CACHE
    assert family(replace(call, kind=Kind.RETRIEVER)) is Family.TOOL
    assert family(replace(call, kind=Kind.NODE)) is Family.STRUCTURE
