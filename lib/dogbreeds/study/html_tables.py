"""Tables as a person reads them, with one style in the notebooks, the slides and the report."""

import hashlib
import re

import pandas as pd
from pandas.io.formats.style import Styler

from dogbreeds.translation import number

# The text of a number, also in per cent or with its interval: `83.2 [75.2, 89.0]`.
NUMBER = re.compile(r"[+-]?\d[\d.,e+\s-]*(%|\[[^\]]*\])?")
STYLE = [
    {"selector": "", "props": "border-collapse: collapse; font-variant-numeric: tabular-nums"},
    {"selector": "th, td", "props": "padding: 0.2em 1em 0.2em 0; text-align: left; vertical-align: top"},
    {"selector": "th", "props": "border-bottom: 2px solid; vertical-align: bottom"},
    {"selector": "td", "props": "border-bottom: 1px solid #8886"},
]


def html_table(table: pd.DataFrame) -> str:
    """Returns a table as HTML without its index and without columns that have no value; missing cells are empty.

    A named index becomes the first columns. Text is aligned left, numbers right. Numbers have as many decimals as their
    column needs, at most three, and the separators of the active language. The same table gives the same HTML.
    """
    table = table.reset_index(drop=table.index.names == [None]).infer_objects()
    table = table.dropna(axis=1, how="all") if len(table) else table
    style = Styler(table, uuid=hashlib.sha256(table.to_csv().encode()).hexdigest()[:8], cell_ids=False)
    style = style.hide().format(na_rep="", escape="html").format_index(axis=1, escape="html").set_table_styles(STYLE)
    numbers = table.select_dtypes("number")
    for name in numbers:
        spec = f",.{_decimals(numbers[name])}f"
        style = style.format(lambda value, spec=spec: number(value, spec), subset=[name], na_rep="")
    right = [name for name in table if name in numbers or _all_numbers(table[name])]
    styles = [{"selector": "", "props": "text-align: right"}, {"selector": "td", "props": "white-space: nowrap"}]
    return style.set_table_styles(dict.fromkeys(right, styles), overwrite=False).to_html()


def _decimals(numbers: pd.Series) -> int:
    """The smallest number of decimals, at most three, that shows all three decimals of every number."""
    return next(count for count in range(4) if numbers.round(count).equals(numbers.round(3)) or count == 3)


def _all_numbers(texts: pd.Series) -> bool:
    filled = [str(text) for text in texts.dropna() if text != ""]
    return bool(filled) and all(map(NUMBER.fullmatch, filled))
