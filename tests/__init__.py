"""The tests: folders mirror the packages, `journeys/` has real clients, `parts/` the real parts."""
