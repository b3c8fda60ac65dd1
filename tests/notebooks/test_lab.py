"""JupyterLab with the options of `make lab`, in Chromium: Run All, parameters, every menu, and the photo upload."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import five_breeds
import nbformat
import pytest
import requests
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from PIL import Image

from dogbreeds import paths
from dogbreeds.presentation import slides
from dogbreeds.study import notebooks

chromium = slides.chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium is None, reason="Chromium is not installed"),
]
TOKEN = "dogs"
TIMEOUT = 600  # seconds: a timeout that is long enough for the slowest computer
AS_USER = {"headers": {"Authorization": f"token {TOKEN}"}, "timeout": TIMEOUT}
# The interactive notebooks, with their number of menus. A batch run and nbval execute all notebooks.
MENUS = {"01_data_exploration": 1, "03_se_resnet50": 2, "06_error_analysis": 3}


@pytest.fixture(scope="module")
def lab(home, results):
    """The address of a JupyterLab server, and its folder: the notebooks with the parameters of the finished study."""
    folder = home["folder"] / "lab"
    folder.mkdir()
    for stored in notebooks.numbered_notebooks():
        nbformat.write(parameterize_notebook(without_outputs(stored), {"profile": "tiny"}), folder / stored.name)
    with served(folder, home["environment"]) as address:
        yield address, folder
    shutil.rmtree(folder)


def without_outputs(stored):
    notebook = load_notebook_node(str(stored))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


@contextmanager
def served(folder, environment):
    """Serves `folder` by JupyterLab with the options of the Makefile, and yields the address."""
    options = re.search(r"jupyter lab --notebook-dir=notebooks (.+)", (paths.REPOSITORY / "Makefile").read_text())[1]
    command = f"{Path(sys.executable).with_name('jupyter')} lab --notebook-dir='{folder}' {options}"
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    command += f" --no-browser --allow-root --IdentityProvider.token={TOKEN} --ServerApp.port={port}"
    log = folder.with_name("lab.log")
    with log.open("w") as file, subprocess.Popen(
        ["sh", "-c", f"exec {command}"], env=environment, stdout=file, stderr=file
    ) as server:  # fmt: skip
        try:
            wait_for(lambda: f":{port}/lab" in log.read_text())
            yield f"http://localhost:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def wait_for(condition):
    end = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < end, f"no result within {TIMEOUT} seconds"
        time.sleep(0.5)
    return found


def opened(browser, address, file):
    """Opens a notebook in a new tab, which it returns when the kernel is idle."""
    tab = browser.new_page(viewport={"width": 1400, "height": 1000})
    tab.set_default_timeout(TIMEOUT * 1000)
    tab.goto(f"{address}/lab/tree/{file.name}?reset&token={TOKEN}")
    tab.get_by_text(re.compile(r"Python 3 \(ipykernel\) \| Idle")).wait_for()
    return tab


def run_all(tab, address, file):
    """Selects Run All Cells in the menu, saves the notebook when the kernel is idle, and returns it."""
    tab.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    tab.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()

    def saved():
        kernels = requests.get(f"{address}/api/kernels", **AS_USER).json()
        if any(kernel["execution_state"] != "idle" for kernel in kernels):
            return None
        tab.keyboard.press("Control+s")
        time.sleep(1)
        notebook = nbformat.read(file, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        failed = any(output.output_type == "error" for cell in cells for output in cell.outputs)
        return notebook if failed or all(cell.execution_count for cell in cells) else None

    return wait_for(saved)


@pytest.mark.parametrize("name", MENUS)
def test_run_all_succeeds_and_menus_update_their_figure(lab, browser, name, tmp_path):
    address, folder = lab
    tab = opened(browser, address, folder / f"{name}.ipynb")
    notebook = run_all(tab, address, folder / f"{name}.ipynb")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []
    menus = tab.locator(".widget-interact select")
    assert menus.count() == MENUS[name]
    for place in range(menus.count()):
        menu = menus.nth(place)
        menu.scroll_into_view_if_needed()
        with changed(tab.locator(".widget-interact img")):
            menu.select_option(index=1)
    if name.startswith("06"):
        check_photo_upload(tab, tmp_path)
    tab.close()
    for kernel in requests.get(f"{address}/api/kernels", **AS_USER).json():
        requests.delete(f"{address}/api/kernels/{kernel['id']}", **AS_USER)


def test_parameters_typed_into_the_first_cell_select_the_runs_of_that_study(browser, tmp_path):
    study, file = five_breeds.finished_study(tmp_path), tmp_path / "lab" / "05_architecture_comparison.ipynb"
    before = study.run_files()
    file.parent.mkdir()
    nbformat.write(without_outputs(paths.NOTEBOOKS / file.name), file)
    with served(file.parent, os.environ | study.environment) as address:
        tab = opened(browser, address, file)
        for default, typed in (("sample", "five_breeds"), ("", str(study.photos))):
            line = tab.locator(".jp-CodeCell .cm-line", has_text=f'str = "{default}"')
            line.click()
            tab.keyboard.press("End")
            for _ in f'{default}"':
                tab.keyboard.press("Backspace")
            tab.keyboard.type(f'{typed}"')
        notebook = run_all(tab, address, file)
        shown, cells = (tab.locator(f".jp-OutputArea {part}").all_text_contents() for part in ("pre", "td"))
        tab.close()
    five_breeds.check_notebook_05(notebook, study)
    assert f"photos: {study.photos}\n{five_breeds.SETTINGS}" in "\n".join(shown)
    assert {f"{100 * each:.1f}" for each in study.accuracies.values()} <= {cell.partition(" [")[0] for cell in cells}
    assert study.run_files() == before  # nothing was trained


@contextmanager
def changed(figure):
    """Waits until the code in this context has changed the figure."""
    before = figure.get_attribute("src")
    yield
    wait_for(lambda: figure.count() == 1 and figure.get_attribute("src") != before)


def check_photo_upload(tab, folder):
    """Uploads an image and expects its figure, then a text file and expects a one-line message."""
    button = tab.locator(".widget-upload")
    button.scroll_into_view_if_needed()
    photo, notes = folder / "own.jpg", folder / "notes.jpg"
    Image.effect_noise((300, 200), 60).convert("RGB").save(photo)
    notes.write_text("no image")

    def upload(file):
        with tab.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files(file)

    with changed(tab.locator(".widget-vbox", has=button).locator("img")):
        upload(photo)
    upload(notes)
    tab.get_by_text("notes.jpg is not a readable image: choose another").wait_for()
