"""Procedural products: a seeded generator of textured objects, for training and for tests."""
