"""The starter segmenter: its training photos, its network and its training."""
