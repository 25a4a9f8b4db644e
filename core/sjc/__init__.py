"""Score Jacobian Chaining: from views and a diffusion prior to a voxel field."""
