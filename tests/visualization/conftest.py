import numpy as np
import pytest
from PIL import Image

from keras_reid.evaluation import Features, evaluate


class Retrieval:
    """Ten queries and 40 gallery images of five identities, coloured by identity, with noise."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.query_paths, self.query = self.make(rng, folder, "q", 10)
        self.gallery_paths, self.gallery = self.make(rng, folder, "g", 40)
        self.result = evaluate(self.query, self.gallery)

    def make(self, rng, folder, prefix, n):
        paths, identities = [], np.arange(n) % 5
        colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30], [110, 110, 110]])
        for index, identity in enumerate(identities):
            path = folder / f"{prefix}{index:02d}.png"
            Image.new("RGB", (16, 32), tuple(colours[identity])).save(path)
            paths.append(str(path))
        embeddings = colours[identities] + rng.normal(0, 60, (n, 3))
        return paths, Features(embeddings, identities, np.arange(n) // 5 % 3)

    @property
    def arguments(self):
        return self.query_paths, self.gallery_paths, self.query, self.gallery


@pytest.fixture(scope="session")
def retrieval(tmp_path_factory):
    return Retrieval(tmp_path_factory.mktemp("images"))
