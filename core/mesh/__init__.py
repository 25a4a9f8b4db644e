"""Finishing: from a density field to a clean, textured, right-sized GLB."""
