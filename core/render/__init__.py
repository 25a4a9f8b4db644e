"""The one renderer: a z-buffer rasteriser for meshes."""
