"""Who runs an artefact of each format for the gate; read by `fresh_process.py`, where this package is missing."""
