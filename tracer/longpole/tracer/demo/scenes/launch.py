"""A launch kit in three languages: one translator is retried, another gives up and is replaced."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel
from langchain_core.runnables.retry import ExponentialJitterParams

from longpole.tracer.demo.models import Answer, FakeChatModel, RateLimitError, Script, Trouble
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import CLAUDE_HAIKU, CLAUDE_SONNET, GEMINI_FLASH, GPT_4O_MINI
from longpole.tracer.demo.stage import Stage

NAME: Final = "launch-translations"
TEXT: Final = "Your week, planned in one glance. Tideline 3 now works offline."
TRANSLATIONS: Final = {
    "german": "Ihre Woche, auf einen Blick geplant. Tideline 3 funktioniert jetzt auch offline.",
    "french": "Votre semaine, planifiée en un coup d'œil. Tideline 3 fonctionne désormais hors "
    "connexion.",
    "spanish": "Su semana, planificada de un vistazo. Tideline 3 ya funciona sin conexión.",
}

_ATTEMPTS: Final = 3
_BACKOFF_S: Final = 0.3


def _script(language: str) -> Script:
    return ((language.title(), Answer(text=TRANSLATIONS[language])),)


def _prompt(language: str) -> ChatPromptTemplate:
    return ChatPromptTemplate.from_messages(
        [
            (
                "system",
                f"Translate the text into {language.title()} for a product page. Keep the name "
                "Tideline 3 and the tone: short, calm, polite form.",
            ),
            ("human", "{text}"),
        ]
    )


def _patient(model: FakeChatModel, pace: Pace) -> Runnable[Any, Any]:
    """Return the model, tried again after a rate limit."""
    # The ceiling makes every wait the same; no jitter, so that the demo's runs are alike.
    backoff = ExponentialJitterParams(max=pace.scaled_s(_BACKOFF_S), jitter=0.0)
    return model.with_retry(
        retry_if_exception_type=(RateLimitError,),
        exponential_jitter_params=backoff,
        stop_after_attempt=_ATTEMPTS,
    )


def _german(pace: Pace) -> Runnable[Any, str]:
    model = FakeChatModel(
        name=GEMINI_FLASH.name, persona=GEMINI_FLASH, script=_script("german"), pace=pace
    )
    return _prompt("german") | model | StrOutputParser()


def _french(pace: Pace) -> Runnable[Any, str]:
    model = FakeChatModel(
        name=GPT_4O_MINI.name,
        persona=GPT_4O_MINI,
        script=_script("french"),
        pace=pace,
        troubles=(Trouble.RATE_LIMIT,),
    )
    return _prompt("french") | _patient(model, pace) | StrOutputParser()


def _spanish(pace: Pace) -> Runnable[Any, str]:
    primary = FakeChatModel(
        name=CLAUDE_SONNET.name,
        persona=CLAUDE_SONNET,
        script=_script("spanish"),
        pace=pace,
        troubles=(Trouble.RATE_LIMIT,) * _ATTEMPTS,
    )
    substitute = FakeChatModel(
        name=CLAUDE_HAIKU.name, persona=CLAUDE_HAIKU, script=_script("spanish"), pace=pace
    )
    model = _patient(primary, pace).with_fallbacks([substitute])
    return _prompt("spanish") | model | StrOutputParser()


def play(stage: Stage) -> tuple[object, ...]:
    """Record one launch text in three languages."""
    kit: RunnableParallel[Any] = RunnableParallel(
        german=_german(stage.pace), french=_french(stage.pace), spanish=_spanish(stage.pace)
    )
    config = stage.config(
        NAME, tags=("retry", "fallback"), session_id="launch-tideline-3", user_id="milo"
    )
    return (kit.invoke({"text": TEXT}, config),)
