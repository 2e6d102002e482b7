"""LangChain callbacks in, OpenTelemetry spans out, each on disk when its callback returns."""

from longpole.tracer.guests import LongpoleSpanProcessor
from longpole.tracer.handler import LongpoleHandler
from longpole.tracer.install import attached, install, uninstall
from longpole.tracer.pipeline import HandlerStats
from longpole.tracer.record import record

__all__ = [
    "HandlerStats",
    "LongpoleHandler",
    "LongpoleSpanProcessor",
    "attached",
    "install",
    "record",
    "uninstall",
]
