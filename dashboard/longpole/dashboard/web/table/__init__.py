"""Tables whose rows open the thing they show."""

from longpole.dashboard.web.table.component import table
from longpole.dashboard.web.table.values import Cell, Column, ColumnKind, Row, Sort, Table

__all__ = ["Cell", "Column", "ColumnKind", "Row", "Sort", "Table", "table"]
