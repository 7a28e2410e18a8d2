"""A challenger must win: two model packages answer the same photos, and rules say which is kept."""
