"""Settings of the site that `make docs` builds with Sphinx.

Its pages are README.md and those that docs/README.md lists, as they are, and the API reference, which `api_pages`
writes from the docstrings. Nothing is downloaded, by the build or by the pages.
"""

import os
import pathlib
import re
import shutil
import sys

SITE = pathlib.Path(__file__).parent
ROOT = SITE.parents[1]
sys.path[:0] = [str(ROOT), str(SITE)]
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import api_pages  # noqa: E402

import keras_reid  # noqa: E402
from keras_reid.utils import command_line  # noqa: E402

command_line.load_tensorflow()

project = "keras_reid"
release = keras_reid.__version__
html_title = f"keras_reid {release}"
root_doc = "README"

LISTED = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
# `(title, path from the root)` of each link, under its caption: "Use it:".
CHAPTERS = {
    caption: [
        os.path.normpath(f"docs/{path}") for path in re.findall(r"^- \[[^]]+\]\(([^)]+)\)", items, re.M)
    ]
    for caption, items in re.findall(r"^(\w[\w ]+):\n\n((?:[- ].+\n)+)", LISTED, re.M)
}
include_patterns = ["README.md", "docs/api/*.md", *(page for pages in CHAPTERS.values() for page in pages)]
# So that Sphinx does not look for pages in environments, runs and data sets.
_TOP = {pattern.partition("/")[0] for pattern in include_patterns}
exclude_patterns = [entry.name for entry in ROOT.iterdir() if entry.name not in _TOP]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "tasklist"]
myst_heading_anchors = 4
highlight_language = "text"
python_maximum_signature_line_length = 88
# A type in a signature has its short name, which a loss and the description of it in an experiment share.
suppress_warnings = ["ref.python"]
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False


def _add_contents(app, page, source):
    """The pages do not say where they stand in the site's menu; docs/README.md does."""
    if page == root_doc:
        chapters = {**CHAPTERS, "Reference": ["docs/api/keras_reid.md"]}
        for caption, pages in chapters.items():
            source[0] += api_pages.contents([f"/{name.removesuffix('.md')}" for name in pages], caption)


def _make_index(app, error):
    """Browsers and servers open index.html first."""
    if error is None and app.builder.name == "html":
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app):
    app.connect("builder-inited", lambda app: api_pages.write(ROOT / "docs" / "api"))
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _make_index)
