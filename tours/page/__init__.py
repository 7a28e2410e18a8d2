"""`make page`: the private page over a local cloud with photos in it."""
