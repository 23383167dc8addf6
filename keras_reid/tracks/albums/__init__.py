"""Pictures without names as groups, one for each identity.

- `grouping`: embeddings as groups; `album_pictures`: the pictures of a folder.
- `album_store`: an album in a gallery's store; `decisions`: what people decided there; `regrouping`: the fewest changes
  that turn its identities into new groups.
"""

from keras_reid.tracks.albums.grouping import Groups, group

__all__ = ["Groups", "group"]
