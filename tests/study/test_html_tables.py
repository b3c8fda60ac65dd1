"""Tables as a person reads them, in the notebooks, on the slides and in the report."""

import re

import pandas as pd

from dogbreeds.study.html_tables import html_table


def cells(page):
    return re.findall(r"<t[hd] [^>]*>([^<]*)", page)


def right(page):
    """The numbers of the columns that are aligned right."""
    return [int(place) for place in re.findall(r"\.col(\d+) \{\s*text-align: right", page)]


def test_table_has_no_index_no_missing_values_and_no_empty_column():
    table = pd.DataFrame({"network": ["ResNet50", "Xception"], "nothing": None, "accuracy": [0.25, float("nan")]})
    page = html_table(table.set_axis([7, 8]))
    assert cells(page) == ["network", "accuracy", "ResNet50", "0.25", "Xception", ""]
    assert page == html_table(table)  # so that nbval can compare it
    assert cells(html_table(table.iloc[:0])) == ["network", "nothing", "accuracy"]


def test_named_index_becomes_the_first_columns():
    table = pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", "y")], names=["colours", "statistics"]))
    assert cells(html_table(table)) == ["colours", "statistics", "a", "x", "y", "1"]


def test_numbers_have_the_decimals_that_their_column_needs():
    table = pd.DataFrame({"whole": [3046.0, 17], "one": [0.5, 12], "three": [0.12345, 2], "count": [20817197, 1]})
    assert cells(html_table(table))[4:] == ["3,046", "0.5", "0.123", "20,817,197", "17", "12.0", "2.000", "1"]


def test_numbers_are_aligned_right_and_text_left():
    table = {"network": ["ResNet50"], "n": [2], "interval": ["83.2 [75.2, 89.0]"], "gap": ["-1.4 [-3.9, +1.1]"]}
    table |= {"p": ["2.3e-129"], "share": ["81.6%"], "file": ["50-11ad3fa6.pth"], "recipe": ["2020, frozen"]}
    assert right(html_table(pd.DataFrame(table))) == [1, 2, 3, 4, 5]


def test_number_column_with_gaps_is_aligned_right_and_an_empty_text_is_no_number():
    assert right(html_table(pd.DataFrame({"p": ["0.01", None, ""], "text": ["", "", ""]}))) == [0]


def test_numbers_are_french_on_french_slides(french):
    page = html_table(pd.DataFrame({"a": [0.25], "b": ["83,2 [75,2, 89,0]"]}))
    assert cells(page)[2:] == ["0,25", "83,2 [75,2, 89,0]"]
    assert right(page) == [0, 1]


def test_names_and_cells_are_escaped():
    assert cells(html_table(pd.DataFrame({"<b>": ["<i>"]}))) == ["&lt;b&gt;", "&lt;i&gt;"]


def test_tables_of_one_page_do_not_style_each_other():
    one, other = html_table(pd.DataFrame({"a": [1]})), html_table(pd.DataFrame({"a": ["x"]}))
    first, second = (re.search(r'<table id="(\w+)"', page)[1] for page in (one, other))
    assert first != second
    assert set(re.findall(r"#(\w+)", one)) - {"8886"} == {first}
