"""Several photos of one product: where each was taken from, and one frame that they share."""
