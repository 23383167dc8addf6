"""README's gallery: enrol the synthetic people, open the page, ask who somebody is."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from keras_reid.data import Synthetic
from tests import documentation as doc
from tests.browser import chromium, foreign_requests
from tests.conftest import ROOT
from tests.gallery.servers import open_folder

README = doc.section(
    (ROOT / "README.md").read_text(encoding="utf-8"), "Who is this, and where else were they seen?"
)


def commands():
    """`gallery enrol` and `gallery serve`, as README has them."""
    lines = [words[1:] for words in doc.shell_lines(README) if words[:2] == ["keras-reid", "gallery"]]
    assert [words[1] for words in lines] == ["enrol", "serve"]
    return lines


@pytest.mark.slow
def test_1200_pictures_of_100_people_and_an_answer_within_3_seconds(smoke_run, command):
    enrol, serve = commands()
    with open_folder() as folder:
        shutil.copytree(smoke_run[0], folder / "runs" / "quickstart")
        picture = Synthetic().read(folder / "datasets").gallery[0].path
        assert "1200 images enrolled" in command.process(*enrol, cwd=folder).stdout
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_reid", *serve, "--port", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            address = json.loads(process.stdout.readline())["url"]
            with chromium() as browser:
                page = browser.new_page()
                foreign = foreign_requests(page)
                page.goto(address)
                counts = page.inner_text(".counts").replace("\u202f", "")
                assert counts == "1200 sightings of 100 identities, 6 cameras"
                start = time.monotonic()
                page.set_input_files("[data-search] input >> nth=0", picture)
                page.wait_for_selector(".results")
                assert time.monotonic() - start < 3
                assert page.inner_text(".cards h2 >> nth=0") == "Alex Ahmadi"
                assert not foreign
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()
