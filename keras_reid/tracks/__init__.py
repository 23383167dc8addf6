"""From a video with boxes to tracklets, and from these to identities."""
