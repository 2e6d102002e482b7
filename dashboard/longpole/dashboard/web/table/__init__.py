"""Tables whose rows open the thing they show."""

from longpole.dashboard.web.table import cells
from longpole.dashboard.web.table.component import table
from longpole.dashboard.web.table.values import Action, Cell, Column, ColumnKind, Row, Sort, Table

__all__ = ["Action", "Cell", "Column", "ColumnKind", "Row", "Sort", "Table", "cells", "table"]
