"""From the tracklets of several cameras to identities.

- `associating`: who is who; `constraints`: which tracklets cannot be the same; `camera_shifts`: what a camera does to
  embeddings.
- `identity_files`, `gallery_entries`: where the result goes.
"""

from keras_reid.tracks.association.associating import Association, associate
from keras_reid.tracks.association.constraints import impossible_pairs, read_travel_times
from keras_reid.tracks.association.identity_files import write_identities

__all__ = ["Association", "associate", "impossible_pairs", "read_travel_times", "write_identities"]
