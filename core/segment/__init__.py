"""Segmentation: from a photo to the recentred cutout of its product."""
