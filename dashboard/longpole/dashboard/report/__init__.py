"""A report on runs: one HTML file that opens anywhere and asks no server for anything."""

from __future__ import annotations

from longpole.dashboard.report.page import html_report

__all__ = ["html_report"]
