"""One ranked list as a page."""

import pathlib

from keras_reid.utils.errors import UserError
from keras_reid.visualization.activation import similarity_maps
from keras_reid.visualization.list_markup import list_markup, map_markup
from keras_reid.visualization.markup import Markup, markup, note, section
from keras_reid.visualization.page import write_page


def write_list_page(path, ranked_list, model, embedding):
    """Writes a page with a query's ranked list, the matches that come later, and its activation maps.

    Args:
        path: HTML file to write.
        ranked_list: a `RankedList`.
        model: the `ReIDModel` that made it.
        embedding: `(dim,)` of the query.
    """
    title = pathlib.Path(ranked_list.path).name
    images = [ranked_list.path, *(image.path for image in ranked_list.images)]
    try:
        maps = map_markup([ranked_list], [similarity_maps(model, images, embedding)])
    except UserError as error:
        maps = note(f"There are none for this model: {error}.")
    sections = [
        Markup(f"<header><h1>{markup(title)}</h1><p class=purpose>{markup(ranked_list.path)}</p></header>"),
        section("Ranked list", list_markup([ranked_list])),
        section("Activation maps", maps),
    ]
    write_page(path, title, sections)
