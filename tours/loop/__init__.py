"""`make loop`: from a folder of photos to an evaluated endpoint on a local cloud, unattended."""
