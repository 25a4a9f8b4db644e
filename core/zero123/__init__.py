"""Zero-1-to-3: the view-conditioned latent diffusion model, its checkpoints, sampling and training."""
