"""Menus and an upload button with a front end, else a figure; notebooks/test_lab tests them in a real browser."""

import re
from datetime import UTC, datetime

import pandas as pd
import pytest
from matplotlib.figure import Figure

from dogbreeds.errors import StudyError
from dogbreeds.study import widgets


@pytest.fixture
def front_end(monkeypatch):
    monkeypatch.setattr(widgets, "watched", lambda: True)


class Drawn(list):
    """Returns an empty figure at each call and records the arguments."""

    def __call__(self, *photo, **chosen):
        self.append(photo[0].read_bytes() if photo else chosen)
        return Figure()


def test_first_choices_are_drawn_without_a_front_end(tmp_path):
    drawn, photo = Drawn(), tmp_path / "photo.png"
    photo.write_bytes(b"example")
    assert isinstance(widgets.choose(drawn, breed=["pug", "corgi"], layer=[3, 4]), Figure)
    assert isinstance(widgets.upload(drawn, photo), Figure)
    assert drawn == [{"breed": "pug", "layer": 3}, b"example"]


def test_menu_draws_the_selected_values(front_end):
    drawn = Drawn()
    box = widgets.choose(drawn, breed=["pug", "corgi"], layer=[3, 4])
    assert [menu.description for menu in box.children[:2]] == ["breed", "layer"]
    box.children[0].value = "corgi"
    box.children[1].value = 4
    assert drawn[-1] == {"breed": "corgi", "layer": 4}


def test_upload_is_drawn_and_an_invalid_file_gives_a_one_line_error(front_end, tmp_path, capsys):
    drawn, example = Drawn(), tmp_path / "photo.png"
    example.write_bytes(b"example")

    def draw(photo):
        if photo.read_bytes() == b"text":
            raise StudyError(f"{photo} is no image")
        return drawn(photo)

    button, _ = widgets.upload(draw, example).children
    for content in (b"mine", b"text"):
        capsys.readouterr()
        button.value = [
            {"name": "../own.jpg", "type": "", "size": 4, "content": content, "last_modified": datetime.now(UTC)}
        ]
    assert drawn == [b"example", b"mine"]
    assert capsys.readouterr().out.endswith("own.jpg is no image\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["photo.png"]


def test_table_is_shown_without_index_and_missing_values():
    table = pd.DataFrame({"network": ["ResNet50", "Xception"], "accuracy": [0.25, float("nan")]}, index=[7, 8])
    page = widgets.show(table).data
    assert re.findall(r"<t[hd] [^>]*>([^<]*)", page) == ["network", "accuracy", "ResNet50", "0.25", "Xception", ""]
    assert page == widgets.show(table).data  # so that nbval can compare it
