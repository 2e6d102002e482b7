"""Answers that are made aside while pages go on."""

from __future__ import annotations

from threading import Event

from longpole.dashboard.web.workshop import Finished, Workshop

_LIMIT_S = 20


class _Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_page_goes_on_while_an_answer_is_made() -> None:
    workshop: Workshop[str] = Workshop()
    go_on = Event()

    def slowly() -> str:
        assert go_on.wait(_LIMIT_S)
        return "done"

    assert workshop.ask("panel", 1, slowly) is None
    assert workshop.ask("panel", 1, slowly) is None
    go_on.set()
    assert workshop.wait(_LIMIT_S)

    answer = Finished(answer="done", error=None, is_current=True)
    assert workshop.ask("panel", 1, slowly) == answer


def test_an_answer_is_made_once_a_version() -> None:
    workshop: Workshop[int] = Workshop()
    made: list[int] = []

    def count() -> int:
        made.append(1)
        return len(made)

    for _ in range(3):
        workshop.ask("panel", 1, count)
        assert workshop.wait(_LIMIT_S)

    assert made == [1]


def test_an_older_answer_stays_until_a_newer_one_is_made_after_a_rest() -> None:
    clock = _Clock()
    workshop: Workshop[str] = Workshop(clock=clock)

    def takes_two_seconds() -> str:
        clock.now_s += 2
        return "first"

    workshop.ask("panel", 1, takes_two_seconds)
    assert workshop.wait(_LIMIT_S)
    older = workshop.ask("panel", 2, lambda: "second")
    assert older == Finished(answer="first", error=None, is_current=False)
    assert workshop.wait(0)
    assert workshop.ask("panel", 2, lambda: "second") == older

    clock.now_s += 8
    workshop.ask("panel", 2, lambda: "second")
    assert workshop.wait(_LIMIT_S)
    newer = workshop.ask("panel", 2, lambda: "third")
    assert newer == Finished(answer="second", error=None, is_current=True)


def test_a_failure_is_told_and_holds_up_nothing() -> None:
    workshop: Workshop[str] = Workshop()
    failure = ValueError("out of order")

    def fails() -> str:
        raise failure

    workshop.ask("panel", 1, fails)
    assert workshop.wait(_LIMIT_S)
    assert workshop.ask("panel", 1, fails) == Finished(answer=None, error=failure, is_current=True)
    workshop.ask("triage", 1, lambda: "fine")
    assert workshop.wait(_LIMIT_S)

    found = workshop.ask("triage", 1, lambda: "fine")
    assert found is not None
    assert found.answer == "fine"


def test_only_the_last_answers_are_kept() -> None:
    workshop: Workshop[int] = Workshop()
    for subject in range(20):
        workshop.ask(subject, 1, lambda: 1)
        assert workshop.wait(_LIMIT_S)

    assert workshop.ask(19, 1, lambda: 1) is not None
    assert workshop.ask(0, 1, lambda: 1) is None
