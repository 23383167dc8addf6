"""From frames and a tracker's boxes to tracklets, one embedding each.

- `sampling`: which boxes of a track are embedded; `quality`: what each crop is worth.
- `crops`: cuts and embeds them; `partial`: keeps them on disk, so that a kill loses little.
- `summaries`: one embedding for each tracklet, and where a track's id jumps; `making`: all of it.
"""

from keras_reid.tracks.tracklets.making import check_boxes, make_tracks
from keras_reid.tracks.tracklets.sampling import check_sampling
from keras_reid.tracks.tracklets.summaries import Summary, summarise

__all__ = ["Summary", "check_boxes", "check_sampling", "make_tracks", "summarise"]
