"""Outages and poison photos in simulated time, through the real function."""
