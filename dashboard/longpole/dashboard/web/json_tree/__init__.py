"""JSON as a tree that folds."""

from longpole.dashboard.web.json_tree.component import json_tree

__all__ = ["json_tree"]
