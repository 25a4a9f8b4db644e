"""The gallery: pages where people look at assets, compare versions and decide."""
