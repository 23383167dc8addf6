"""Names that users import."""

import pytest

from keras_reid import embedding, evaluation


def test_embed_paths_is_found_at_its_old_place():
    with pytest.warns(
        DeprecationWarning, match=r"evaluation\.embed_paths is now keras_reid\.embedding\.embed_paths"
    ):
        assert evaluation.embed_paths is embedding.embed_paths


def test_what_evaluation_never_had_is_missing():
    with pytest.raises(AttributeError, match="no attribute 'embed_path'"):
        evaluation.embed_path  # noqa: B018


@pytest.mark.parametrize("room", [embedding, evaluation])
def test_all_that_is_named_is_there(room):
    assert all(hasattr(room, name) for name in room.__all__)
