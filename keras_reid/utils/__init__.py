"""Helpers that every part may use, and that use no other part."""
