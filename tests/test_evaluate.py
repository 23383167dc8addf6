import zipfile

import pytest

from keras_reid.data import BENCHMARKS
from keras_reid.errors import UserError
from keras_reid.evaluate import main


def test_an_unknown_data_set_lists_those_there_are(tmp_path):
    model = tmp_path / "model.keras"
    with zipfile.ZipFile(model, "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(UserError, match=r"an experiment file\. Received: 'market'") as caught:
        main([str(model), "--dataset", "market"])
    assert f"--dataset must be one of {', '.join(BENCHMARKS)}, or" in str(caught.value)
