"""Making models: the starter package from ImageNet weights; training jobs come here too."""
