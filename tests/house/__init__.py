"""Tests of the house itself: its locks, its names, its packages, its wheel, its commands."""
