"""Links to other pages of the app, beside each other."""

from longpole.dashboard.web.links.component import Link, links

__all__ = ["Link", "links"]
