"""Tests of the benchmarks: what is compared is the same, and what is drawn was found."""
