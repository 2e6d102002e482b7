"""What a test may ask of the chains it ran: the values behind the `longpole_run` fixture."""

from longpole.dashboard.testing.recorded import RecordedRun, Recording

__all__ = ["RecordedRun", "Recording"]
