"""`make demo`: the product's main job on this machine, driven with the tools a user would type."""
