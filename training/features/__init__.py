"""From a photo in its folder to its row of features, which is computed once and kept."""
