"""The embedded server, its client, and the way of a SavedModel into the folder that is served."""
