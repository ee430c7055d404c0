"""Code generators on the published schema; what they make is compiled by `tsc --strict`."""
