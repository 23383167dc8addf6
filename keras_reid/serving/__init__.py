"""The embedded server, its client, and the command that publishes a SavedModel to a served folder."""
