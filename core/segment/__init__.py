"""Segmentation: from a photo to the recentred cutout of its product."""

from core.segment.cut import segment
from core.segment.params import SegmentParams
from core.segment.segmenters import SEGMENTERS, Segmenter, load_segmenter

__all__ = ["SEGMENTERS", "SegmentParams", "Segmenter", "load_segmenter", "segment"]
