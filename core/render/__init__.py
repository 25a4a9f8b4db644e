"""The one renderer: a z-buffer rasteriser for meshes."""

from core.render.raster import Coverage, Paint, Render, cover, rasterize, render_mesh, sample_texture
from core.render.shading import over, soft_light

__all__ = ["Coverage", "Paint", "Render", "cover", "over", "rasterize", "render_mesh", "sample_texture", "soft_light"]
